/** The edge worker, composed: every route in the order it is tried. */

import { Hono } from "hono";
import { type Log, without_floods } from "./env/log.ts";
import type { Settings } from "./env/settings.ts";
import { check_path } from "./pass_through/pass_through.ts";
import { GatewayPools } from "./pass_through/pools.ts";
import { canary_percent } from "./pass_through/share.ts";
import { busy, method_not_allowed, problem, Refusal } from "./problem/problem.ts";
import { demo_payment_route } from "./routes/demo_payment/demo_payment.ts";
import { demo_session_route } from "./routes/demo_session/demo_session.ts";
import { entry_route } from "./routes/entry/entry.ts";
import { lobby_route } from "./routes/lobby/lobby.ts";
import { type PageFile, pages_route } from "./routes/pages/pages.ts";
import { time_route } from "./routes/time/time.ts";
import { SnapshotStore } from "./snapshot/store.ts";

/** Everything the worker takes from outside. Time and randomness are among it, for the tests. */
export interface Surroundings {
  settings: Settings;
  page_files: readonly PageFile[];
  clock: () => number;
  random: () => number;
  token_id: () => string;
  fetch: typeof fetch;
  log: Log;
}

/** Builds the worker. Its snapshot store lives as long as the app, that is: as the isolate. */
export function create_app(surroundings: Surroundings): Hono {
  const { settings, clock, random, token_id, fetch } = surroundings;
  const log = without_floods(surroundings.log, clock);
  const origin = { fetch, random, log };
  const store = new SnapshotStore(surroundings);
  const pools = new GatewayPools(settings.gateway_url, settings.gateway_canary_url, {
    ...origin,
    clock,
  });
  const app = new Hono();

  app.route("/", time_route(clock));
  app.all("/v1/time", () => method_not_allowed("GET, HEAD"));
  app.route("/", entry_route({ store, clock, random, token_id }));
  app.route(
    "/",
    lobby_route({ store, clock, token_id, gateway_url: settings.gateway_url, origin }),
  );
  app.all("/v1/*", (c) => {
    const { pathname } = new URL(c.req.url);
    check_path(pathname);
    // Without a canary nothing here depends on the snapshot, and none is asked for.
    const snapshot = pools.has_canary ? store.peek((work) => c.executionCtx.waitUntil(work)) : null;
    return pools.pass(c.req.raw, canary_percent(snapshot, pathname));
  });
  app.route("/", demo_session_route(settings, origin));
  app.route("/", demo_payment_route(settings, origin));
  app.route("/", pages_route(surroundings.page_files));

  app.notFound(() => problem("not_found"));
  app.onError((error) => {
    if (error instanceof Refusal) return problem(error.outcome, error.details);
    log("error", "request_failed", { reason: error.message });
    const { outcome, details } = busy(random, "something went wrong here");
    return problem(outcome, details);
  });
  return app;
}
