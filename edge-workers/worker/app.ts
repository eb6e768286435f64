/** The edge worker, composed: every route in the order it is tried. */

import { type Context, Hono } from "hono";
import { HumanCheck } from "./check/human_check.ts";
import { cors } from "./cors/cors.ts";
import { type Log, without_floods } from "./env/log.ts";
import type { Settings } from "./env/settings.ts";
import { Heartbeat } from "./heartbeat/heartbeat.ts";
import { DoorLimits } from "./limits/door_limits.ts";
import { Metrics, metrics_route } from "./metrics/metrics.ts";
import { check_path } from "./pass_through/pass_through.ts";
import { GatewayPools } from "./pass_through/pools.ts";
import { canary_percent } from "./pass_through/share.ts";
import { busy, method_not_allowed, problem, Refusal } from "./problem/problem.ts";
import { check_route } from "./routes/check/check.ts";
import { demo_payment_route } from "./routes/demo_payment/demo_payment.ts";
import { demo_session_route } from "./routes/demo_session/demo_session.ts";
import { entry_route } from "./routes/entry/entry.ts";
import { item_route } from "./routes/item/item.ts";
import { lobby_route } from "./routes/lobby/lobby.ts";
import type { PublishedSource } from "./routes/pages/files.ts";
import { type PageFile, pages_route } from "./routes/pages/pages.ts";
import { published_route } from "./routes/pages/published.ts";
import { time_route } from "./routes/time/time.ts";
import { trace_route } from "./routes/trace/trace.ts";
import { SnapshotStore } from "./snapshot/store.ts";
import { StockHeard } from "./stock/heard.ts";
import { following } from "./trace/follow.ts";
import { Spans } from "./trace/spans.ts";
import { read_traceparent } from "./trace/traceparent.ts";

/** Everything the worker takes from outside. Time and randomness are among it, for the tests. */
export interface Surroundings {
  settings: Settings;
  page_files: readonly PageFile[];
  /** What plain names in published pages are called in this build. */
  hashed_names: Readonly<Record<string, string>>;
  /** Where published files are read. */
  published: PublishedSource;
  clock: () => number;
  random: () => number;
  token_id: () => string;
  isolate_id: () => string;
  span_id: () => string;
  fetch: typeof fetch;
  log: Log;
}

/** Builds the worker. Its snapshot store lives as long as the app, that is: as the isolate. */
export function create_app(surroundings: Surroundings): Hono {
  const { settings, clock, random, token_id, span_id, fetch } = surroundings;
  const log = without_floods(surroundings.log, clock);
  const origin = { fetch, random, log };
  const heartbeat = new Heartbeat(surroundings);
  let colo: string | null = null;
  const store = new SnapshotStore({
    ...surroundings,
    confirmed: (version, adopted_ms) => heartbeat.beat(version, adopted_ms, colo),
  });
  const check = new HumanCheck(surroundings);
  const limits = () => new DoorLimits({ clock, random, limiter: settings.limiter });
  const door = { store, clock, random, check };
  const pools = new GatewayPools(settings.gateway_url, settings.gateway_canary_url, {
    ...origin,
    clock,
  });
  const stock = new StockHeard(clock);
  const spans = new Spans({ ...settings, clock, fetch, log });
  const app = new Hono();

  const metrics = new Metrics();
  app.use(metrics.counting);
  app.use("/v1/*", cors());
  app.use("/sdk/*", cors());
  app.route(
    "/",
    metrics_route(metrics, settings.monitoring_token, () => store.version()),
  );
  app.use("/v1/*", following({ store, spans, clock, span_id }));
  app.route("/", time_route(clock));
  app.all("/v1/time", () => method_not_allowed("GET, HEAD"));
  app.route("/", item_route({ store, stock, random }));
  app.use("/v1/items/*", (c, next) => {
    colo ??= location_of(c.req.raw);
    return next();
  });
  app.route("/", check_route({ ...door, limits: limits() }));
  app.route("/", entry_route({ ...door, limits: limits(), token_id, span_id }));
  app.route("/", lobby_route({ ...door, limits: limits(), token_id, pools, origin }));
  app.route("/", trace_route({ store, spans, clock }));
  app.all("/v1/*", async (c) => {
    const { pathname } = new URL(c.req.url);
    check_path(pathname);
    // Without a canary nothing here depends on the snapshot, and none is asked for.
    const snapshot = pools.has_canary ? store.peek((work) => c.executionCtx.waitUntil(work)) : null;
    // An operator who wants to take a bad canary back may not be heard: nobody gets it then.
    const share = store.is_degraded() ? 0 : canary_percent(snapshot, pathname);
    const answer = await pools.pass(c.req.raw, share);
    stock.note(c.req.raw, answer, (work) => c.executionCtx.waitUntil(work));
    return answer;
  });
  app.route("/", demo_session_route(settings, origin));
  app.route("/", published_route(surroundings, log));
  app.route("/", demo_payment_route(settings, origin));
  app.route("/", pages_route(surroundings.page_files, settings));

  app.notFound((c) => problem("not_found", trace_of(c)));
  app.onError((error, c) => {
    if (error instanceof Refusal) {
      return problem(error.outcome, { ...error.details, ...trace_of(c) });
    }
    log("error", "request_failed", { reason: error.message, ...trace_of(c) });
    const { outcome, details } = busy(random, "something went wrong here");
    return problem(outcome, { ...details, ...trace_of(c) });
  });
  return app;
}

/** The trace that a request came with, for its problem and the log; nothing without one. */
function trace_of(c: Context): { trace_id?: string } {
  const traceparent = read_traceparent(c.req.header("traceparent"));
  return traceparent === null ? {} : { trace_id: traceparent.trace_id };
}

/** Cloudflare's name for the location that runs this isolate, or null elsewhere. */
function location_of(request: Request): string | null {
  const colo = (request as { cf?: { colo?: unknown } }).cf?.colo;
  return typeof colo === "string" && /^[A-Za-z0-9]{1,8}$/.test(colo) ? colo : null;
}
