/** Everything under `/v1` that the edge does not answer itself goes to the gateway, streamed. */

import type { Log } from "../env/log.ts";
import { busy, method_not_allowed, Refusal } from "../problem/problem.ts";
import { origin_headers } from "./headers.ts";

export interface OriginOptions {
  fetch: typeof fetch;
  log: Log;
  random: () => number;
}

/** What is passed on at all; other methods are refused here. */
export const METHODS: ReadonlySet<string> = new Set([
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

/** Refuses odd paths under `/v1`, before anybody is chosen to answer them. */
export function check_path(pathname: string): void {
  if (!PATH.test(pathname)) throw new Refusal("not_found");
}

/** Sends a request under `/v1` to `origin`, the same path and query; `bearer`: see below. */
export async function pass_through(
  request: Request,
  origin: string,
  options: OriginOptions,
  bearer?: string,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  return send_to_origin(request, `${origin}${pathname}${search}`, options, bearer);
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
  try {
    return await fetch_from(url, request, options, { bearer });
  } catch (error) {
    throw origin_failed(request, new URL(url).origin, error, options);
  }
}

/** As `pass_through`, but without an answer it throws what `fetch` throws, also when `given_up` is
 * aborted before the answer has begun. */
export async function ask_origin(
  request: Request,
  origin: string,
  options: OriginOptions,
  more: { given_up?: AbortSignal; bearer?: string | undefined } = {},
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  return fetch_from(`${origin}${pathname}${search}`, request, options, more);
}

/** Logs that `origin` did not answer; the refusal that the visitor hears. */
export function origin_failed(
  request: Request,
  origin: string,
  error: unknown,
  options: OriginOptions,
): Refusal {
  const reason = error instanceof Error ? error.message : String(error);
  options.log("error", "origin_did_not_answer", { origin, reason });
  const detail = request.method === "POST" ? UNKNOWN : "the gateway did not answer";
  return busy(options.random, detail);
}

async function fetch_from(
  url: string,
  request: Request,
  options: OriginOptions,
  { given_up, bearer }: { given_up?: AbortSignal | undefined; bearer?: string | undefined },
): Promise<Response> {
  if (!METHODS.has(request.method)) return method_not_allowed([...METHODS].join(", "));
  const timeout = AbortSignal.timeout(ORIGIN_TIMEOUT_MS);
  const headers = origin_headers(request);
  if (bearer !== undefined) {
    headers.set("authorization", `Bearer ${bearer}`);
    headers.delete("content-type");
  }
  const init: RequestInit & { duplex?: "half" } = {
    method: request.method,
    headers,
    redirect: "manual",
    signal: given_up === undefined ? timeout : AbortSignal.any([timeout, given_up]),
  };
  const has_body = request.body !== null && bearer === undefined;
  if (has_body && request.method !== "GET" && request.method !== "HEAD") {
    init.body = request.body;
    // Node's fetch wants to be told that the body is sent before the answer is read.
    init.duplex = "half";
  } else {
    headers.delete("content-length");
  }
  return options.fetch(url, init);
}
