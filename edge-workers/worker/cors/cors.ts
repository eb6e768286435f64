/**
 * Cross-origin requests: the element runs in shops at other origins (CORS, fetch.spec.whatwg.org).
 *
 * Any origin may ask, because nothing here is told to a cookie: who asks proves himself with a token
 * that only his own page has. So there is no list of shops to keep, and nothing to get wrong in it.
 */

import type { MiddlewareHandler } from "hono";
import { cors as hono_cors } from "hono/cors";

/** The headers that the SDK sends beyond the safe ones. */
const HEADERS = [
  "authorization",
  "content-type",
  "idempotency-key",
  "purchase-retry",
  "traceparent",
];
/** As long as Chromium keeps it: each purchase would otherwise cost two requests. */
const KEPT_S = 7200;

/** Answers preflights, and marks every answer as readable. Any other OPTIONS goes its way. */
export function cors(): MiddlewareHandler {
  const handle = hono_cors({
    origin: "*",
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: HEADERS,
    maxAge: KEPT_S,
  });
  return (c, next) => {
    const is_preflight = c.req.header("access-control-request-method") !== undefined;
    return c.req.method === "OPTIONS" && !is_preflight ? next() : handle(c, next);
  };
}
