/** `GET /v1/time`: the clock that countdowns follow. */

import { Hono } from "hono";

/** Answers `{"now_ms": …}`, Unix time in milliseconds; never cached. */
export function time_route(clock: () => number): Hono {
  return new Hono().get("/v1/time", (c) =>
    c.json({ now_ms: clock() }, 200, { "cache-control": "no-store" }),
  );
}
