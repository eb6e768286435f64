/** Which requests are followed, and as what. */

import { type Traceparent, traceparent_of } from "./traceparent.ts";

interface Followed extends Traceparent {
  /** The span of this request. */
  own_id: string;
}

const followed = new WeakMap<Request, Followed>();

/** Follows this request from here on. */
export function follow(request: Request, traceparent: Traceparent, span_id: () => string): void {
  followed.set(request, { ...traceparent, own_id: span_id() });
}

/** How it is followed; undefined: not at all. */
export const followed_as = (request: Request) => followed.get(request);

/** What an origin is told as `traceparent`; null: what the visitor said. */
export function own_traceparent(request: Request): string | null {
  const mine = followed.get(request);
  return mine === undefined ? null : traceparent_of(mine.trace_id, mine.own_id);
}
