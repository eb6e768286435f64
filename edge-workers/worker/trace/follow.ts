/**
 * Follows the purchases that are chosen (switch `trace_sampling`): a span for each of their requests,
 * which is the parent of whatever the gateway does for it.
 *
 * The page makes the trace; the entry chooses it and says so, and from then on the flag of the page's
 * `traceparent` says it. A flag counts while the switch is above 0. Whatever is not followed passes
 * here with one look at one header.
 */

import type { MiddlewareHandler } from "hono";
import { ITEM_OF_PATH } from "../pass_through/share.ts";
import type { Snapshot } from "../snapshot/envelope.ts";
import type { SnapshotStore, WaitUntil } from "../snapshot/store.ts";
import { follow, followed_as } from "./followed.ts";
import { SERVER, type Spans } from "./spans.ts";
import { is_chosen, read_traceparent } from "./traceparent.ts";

export interface FollowOptions {
  store: Pick<SnapshotStore, "peek">;
  spans: Spans;
  clock: () => number;
  span_id: () => string;
}

/** Chooses by itself, once it knows who asks for what. */
const ENTRY = /^\/v1\/items\/[^/]+\/entry$/;
const ROUTES: readonly (readonly [RegExp, string])[] = [
  [ENTRY, "/v1/items/{item}/entry"],
  [/^\/v1\/items\/[^/]+\/lobby$/, "/v1/items/{item}/lobby"],
  [/^\/v1\/items\/[^/]+\/check$/, "/v1/items/{item}/check"],
  [/^\/v1\/items\/[^/]+\/[^/]+\/buy$/, "/v1/items/{item}/{path_key}/buy"],
  [/^\/v1\/reservations\/[^/]+$/, "/v1/reservations/{id}"],
];

/** The share of the purchases behind this path that are followed. */
export function trace_sampling(snapshot: Snapshot | null, pathname: string): number {
  if (snapshot === null) return 0;
  const item = snapshot.items.get(Number(ITEM_OF_PATH.exec(pathname)?.[1]));
  return item?.trace_sampling ?? snapshot.trace_sampling;
}

/** Whether the trace of an entry is chosen; then it is followed. */
export function choose(request: Request, percent: number, span_id: () => string): boolean {
  if (percent <= 0) return false;
  const traceparent = read_traceparent(request.headers.get("traceparent"));
  if (traceparent === null || !is_chosen(traceparent.trace_id, percent)) return false;
  follow(request, traceparent, span_id);
  return true;
}

/** The middleware. */
export function following({ store, spans, clock, span_id }: FollowOptions): MiddlewareHandler {
  return async (c, next) => {
    const traceparent = read_traceparent(c.req.raw.headers.get("traceparent"));
    if (traceparent === null) return next();
    const request = c.req.raw;
    const { pathname } = new URL(request.url);
    const wait_until: WaitUntil = (work) => c.executionCtx.waitUntil(work);
    const begun_ms = clock();
    if (traceparent.is_followed && !ENTRY.test(pathname)) {
      const percent = trace_sampling(store.peek(wait_until), pathname);
      if (percent > 0) follow(request, traceparent, span_id);
    }
    await next();
    const mine = followed_as(request);
    // The page's own span is no request of the purchase.
    if (mine === undefined || pathname === "/v1/trace") return;
    const route = ROUTES.find(([path]) => path.test(pathname))?.[1] ?? "/v1/…";
    const item = ITEM_OF_PATH.exec(pathname)?.[1];
    spans.take(
      {
        service: "sluice-edge",
        trace_id: mine.trace_id,
        span_id: mine.own_id,
        parent_id: mine.span_id,
        name: `${request.method} ${route}`,
        kind: SERVER,
        begun_ms,
        ended_ms: clock(),
        attributes: {
          "http.request.method": request.method,
          "http.route": route,
          "http.response.status_code": c.res.status,
          ...(item === undefined ? {} : { "sluice.item": item }),
        },
      },
      wait_until,
    );
  };
}
