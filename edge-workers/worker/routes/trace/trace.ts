/**
 * `POST /v1/trace`: a page tells how long its purchase took, so that a followed trace begins where the
 * shopper clicked. A page reaches no receiver of traces; and its word is good for one span, of a trace
 * that is followed, as long as the switch is above 0.
 */

import { type Context, Hono } from "hono";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";
import type { SnapshotStore } from "../../snapshot/store.ts";
import { trace_sampling } from "../../trace/follow.ts";
import { INTERNAL, type Spans } from "../../trace/spans.ts";
import { read_traceparent } from "../../trace/traceparent.ts";

const BODY_MAX_BYTES = 256;
/** Longer than anybody's patience with a queue. */
const LONGEST_MS = 4 * 3_600_000;
/** Of each isolate; anybody can tell us of spans. */
const PER_S_MAX = 50;
const EXACT = /^\{"item":([1-9][0-9]{0,14}),"took_ms":([0-9]{1,9}),"outcome":"([a-z_]{1,32})"\}$/;

export interface TraceOptions {
  store: Pick<SnapshotStore, "peek">;
  spans: Spans;
  clock: () => number;
}

/** Mounts the route; other methods get 405. */
export function trace_route(options: TraceOptions): Hono {
  let second = 0;
  let told = 0;
  const is_too_many = () => {
    const now = Math.floor(options.clock() / 1000);
    if (now !== second) [second, told] = [now, 0];
    told += 1;
    return told > PER_S_MAX;
  };
  return new Hono()
    .post("/v1/trace", async (c) => {
      if (is_too_many()) throw new Refusal("rate_limited", { retry_after_ms: 1000 });
      return take(c, options);
    })
    .all("/v1/trace", () => method_not_allowed("POST"));
}

async function take(c: Context, { store, spans, clock }: TraceOptions): Promise<Response> {
  const length = Number(c.req.header("content-length"));
  if (!(length <= BODY_MAX_BYTES)) {
    throw new Refusal("bad_request", { detail: "the body is too long, or of unknown length" });
  }
  const [, item, took, outcome] = EXACT.exec(await c.req.text()) ?? [];
  const root = read_traceparent(c.req.header("traceparent"));
  const took_ms = Number(took);
  if (
    item === undefined ||
    outcome === undefined ||
    root === null ||
    !root.is_followed ||
    took_ms > LONGEST_MS
  ) {
    throw new Refusal("bad_request", { detail: "no span of a followed purchase" });
  }
  // By our clock: nobody's computer has to be right.
  const ended_ms = clock();
  const wait_until = (work: Promise<unknown>) => c.executionCtx.waitUntil(work);
  if (trace_sampling(store.peek(wait_until), `/v1/items/${item}/`) > 0) {
    spans.take(
      {
        service: "sluice-sdk",
        trace_id: root.trace_id,
        span_id: root.span_id,
        parent_id: null,
        name: "purchase",
        kind: INTERNAL,
        begun_ms: ended_ms - took_ms,
        ended_ms,
        attributes: { "sluice.item": item, "sluice.outcome": outcome },
      },
      wait_until,
    );
  }
  return new Response(null, { status: 204, headers: { "cache-control": "no-store" } });
}
