/** Static pages. The files are part of the bundle, so both runtimes serve the same bytes. */

import { Hono } from "hono";
import { CLOUDFLARE, type Settings } from "../../env/settings.ts";
import { method_not_allowed } from "../../problem/problem.ts";

/** One file of the storefront. `immutable` files have their content's hash in their path. */
export interface PageFile {
  path: string;
  content_type: string;
  body: string;
  etag: string;
  immutable: boolean;
  /** Whether pages of other origins may load it: the SDK is made for that. */
  any_origin?: boolean;
}

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/** Its widget is a script of Cloudflare's that works in a frame of Cloudflare's. */
const POLICY_WITH_TURNSTILE = POLICY.replace(
  "script-src 'self'",
  `script-src 'self' ${CLOUDFLARE}; frame-src ${CLOUDFLARE}`,
);

/** What every page and file is sent with; Turnstile is allowed where its keys are, else nobody. */
export function security_headers({ turnstile }: Pick<Settings, "turnstile">) {
  return {
    "content-security-policy": turnstile === null ? POLICY : POLICY_WITH_TURNSTILE,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
  };
}

/** A module script of another origin is loaded with CORS, and without cookies or the like. */
export const OPEN_HEADERS = {
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
} as const;

export const FOR_EVER = "public, max-age=31536000, immutable";
/** A page names hashed files, so it must not be older than a deployment by more than this. */
export const SHORTLY = "public, max-age=30, must-revalidate";

/** Mounts every file at its path, for GET and HEAD. */
export function pages_route(
  files: readonly PageFile[],
  settings: Pick<Settings, "turnstile">,
): Hono {
  const app = new Hono();
  const security = security_headers(settings);
  for (const file of files) {
    app.get(file.path, (c) => serve(file, security, c.req.header("if-none-match")));
    app.all(file.path, () => method_not_allowed("GET, HEAD"));
  }
  return app;
}

function serve(
  file: PageFile,
  security: Record<string, string>,
  if_none_match: string | undefined,
): Response {
  const headers = {
    ...security,
    ...(file.any_origin ? OPEN_HEADERS : {}),
    "content-type": file.content_type,
    "cache-control": file.immutable ? FOR_EVER : SHORTLY,
    etag: file.etag,
  };
  return with_body_unless_known(file.body, headers, if_none_match);
}

/** 304 when the visitor's copy has the same `etag`, else the whole body (RFC 9110 §13.1.2). */
export function with_body_unless_known(
  body: BodyInit,
  headers: Record<string, string> & { etag: string },
  if_none_match: string | undefined,
): Response {
  const known = if_none_match
    ?.split(",")
    .some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === headers.etag);
  return known ? new Response(null, { status: 304, headers }) : new Response(body, { headers });
}
