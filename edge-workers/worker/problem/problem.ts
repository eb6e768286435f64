/** Refusals as `application/problem+json` (RFC 9457). */

import { OUTCOMES, type Outcome } from "./outcome.ts";

const HEADERS = { "content-type": "application/problem+json", "cache-control": "no-store" };

/** What a refusal says beyond its outcome. `retry_after_ms` only where waiting helps. */
export interface ProblemDetails {
  detail?: string;
  retry_after_ms?: number;
  /** Of a request that came with one. */
  trace_id?: string;
  /** A puzzle to solve, with `challenge` only (`check/slider.ts`). */
  slider?: object;
}

/** A thrown refusal: `app.ts` turns it into its response, so that checks need no result types. */
export class Refusal extends Error {
  constructor(
    readonly outcome: Outcome,
    readonly details: ProblemDetails = {},
  ) {
    super(outcome);
  }
}

/** The response of an outcome. `Retry-After` is in whole seconds, rounded up, at least 1. */
export function problem(outcome: Outcome, details: ProblemDetails = {}): Response {
  const { status, title } = OUTCOMES[outcome];
  const body = { type: `urn:sluice:outcome:${outcome}`, title, status, code: outcome, ...details };
  const headers: Record<string, string> = { ...HEADERS };
  if (details.retry_after_ms !== undefined) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(details.retry_after_ms / 1000)));
  }
  // RFC 9110 §11.6.1: a 401 names the scheme it wants.
  if (status === 401) headers["www-authenticate"] = "Bearer";
  return new Response(JSON.stringify(body), { status, headers });
}

/** 405. Not an outcome of a purchase, so it has no `code`: the caller's program is wrong. */
export function method_not_allowed(allow: string): Response {
  const body = { type: "about:blank", title: "Method Not Allowed", status: 405 };
  return new Response(JSON.stringify(body), { status: 405, headers: { ...HEADERS, allow } });
}

/** Shortest wait asked of a caller who met `busy`. */
const BUSY_BASE_MS = 1000;

/** A `busy` refusal. The wait is spread over one to two seconds, so that callers do not return as
 * one wave. `random` is uniform in [0, 1). */
export function busy(random: () => number, detail: string): Refusal {
  const retry_after_ms = BUSY_BASE_MS + Math.floor(random() * BUSY_BASE_MS);
  return new Refusal("busy", { detail, retry_after_ms });
}
