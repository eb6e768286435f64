/** Entry point for workerd and Cloudflare: real clock and randomness, bindings checked at load. */

import { env } from "cloudflare:workers";
import { page_files } from "sluice:storefront";
import { create_app } from "./app.ts";
import { log } from "./env/log.ts";
import { read_settings } from "./env/settings.ts";
import { random_token_id } from "./tokens/entry.ts";

export default create_app({
  settings: read_settings(env),
  page_files,
  clock: Date.now,
  random: Math.random,
  token_id: random_token_id,
  isolate_id: random_token_id,
  // Called without a receiver, which the platform's own `fetch` does not allow everywhere.
  fetch: (input, init) => fetch(input, init),
  log,
});
