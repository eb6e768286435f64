/** Everything under `/v1` that the edge does not answer itself goes to the gateway, streamed. */

import type { Log } from "../env/log.ts";
import { busy, method_not_allowed, Refusal } from "../problem/problem.ts";
import { origin_headers } from "./headers.ts";

export interface OriginOptions {
  fetch: typeof fetch;
  log: Log;
  random: () => number;
}

const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

/** How long an origin may take. Far above its own limits: this only frees what a hung one holds. */
const ORIGIN_TIMEOUT_MS = 10_000;

// Every path of the API is made of slugs, numbers and base64url. Percent-escapes are refused: an
// origin decodes `..%2f` after this worker has looked at the path.
const PATH = /^\/v1\/[A-Za-z0-9._~/-]+$/;

/** Sends a request under `/v1` to `origin`, the same path and query. Refuses odd paths. */
export async function pass_through(
  request: Request,
  origin: string,
  options: OriginOptions,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  if (!PATH.test(pathname)) throw new Refusal("not_found");
  return send_to_origin(request, `${origin}${pathname}${search}`, options);
}

/** A time-out is unknown, not no: the gateway may have taken the unit and its answer was lost. */
const UNKNOWN =
  "the gateway did not answer: what was asked may have been done; ask again, the repeat tells";

/**
 * Sends a request on and returns the answer as it comes. When none comes the visitor hears `busy`:
 * whether the origin acted is unknown then, and asking again is safe, because every purchase step
 * is idempotent. With `bearer` it speaks for itself: with that token instead of the visitor's, and
 * without his body, which was read here.
 */
export async function send_to_origin(
  request: Request,
  url: string,
  options: OriginOptions,
  bearer?: string,
): Promise<Response> {
  if (!METHODS.has(request.method)) return method_not_allowed([...METHODS].join(", "));
  const headers = origin_headers(request);
  if (bearer !== undefined) {
    headers.set("authorization", `Bearer ${bearer}`);
    headers.delete("content-type");
  }
  const init: RequestInit & { duplex?: "half" } = {
    method: request.method,
    headers,
    redirect: "manual",
    signal: AbortSignal.timeout(ORIGIN_TIMEOUT_MS),
  };
  const has_body = request.body !== null && bearer === undefined;
  if (has_body && request.method !== "GET" && request.method !== "HEAD") {
    init.body = request.body;
    // Node's fetch wants to be told that the body is sent before the answer is read.
    init.duplex = "half";
  } else {
    headers.delete("content-length");
  }
  try {
    return await options.fetch(url, init);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    options.log("error", "origin_did_not_answer", { origin: new URL(url).origin, reason });
    const detail = request.method === "POST" ? UNKNOWN : "the gateway did not answer";
    throw busy(options.random, detail);
  }
}
