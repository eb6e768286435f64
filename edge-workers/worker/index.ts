/** Entry point for workerd and Cloudflare: real clock and randomness, bindings checked at load. */

import { env } from "cloudflare:workers";
import { hashed_names, page_files } from "sluice:storefront";
import { create_app } from "./app.ts";
import { log } from "./env/log.ts";
import { outbound } from "./env/outbound.ts";
import { read_settings } from "./env/settings.ts";
import { published_source } from "./routes/pages/files.ts";
import { random_token_id } from "./tokens/entry.ts";
import { random_span_id } from "./trace/traceparent.ts";

export default create_app({
  settings: read_settings(env),
  page_files,
  hashed_names,
  published: published_source(env.SLUICE_PUBLISHED),
  clock: Date.now,
  random: Math.random,
  token_id: random_token_id,
  isolate_id: random_token_id,
  span_id: random_span_id,
  fetch: outbound(env.SLUICE_CLOUDFLARE),
  log,
});
