/** Static pages. The files are part of the bundle, so both runtimes serve the same bytes. */

import { Hono } from "hono";
import { method_not_allowed } from "../../problem/problem.ts";

/** One file of the storefront. `immutable` files have their content's hash in their path. */
export interface PageFile {
  path: string;
  content_type: string;
  body: string;
  etag: string;
  immutable: boolean;
}

const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
} as const;

const FOR_EVER = "public, max-age=31536000, immutable";
/** A page names hashed files, so it must not be older than a deployment by more than this. */
const SHORTLY = "public, max-age=30, must-revalidate";

/** Mounts every file at its path, for GET and HEAD. */
export function pages_route(files: readonly PageFile[]): Hono {
  const app = new Hono();
  for (const file of files) {
    app.get(file.path, (c) => serve(file, c.req.header("if-none-match")));
    app.all(file.path, () => method_not_allowed("GET, HEAD"));
  }
  return app;
}

function serve(file: PageFile, if_none_match: string | undefined): Response {
  const headers = {
    ...SECURITY_HEADERS,
    "content-type": file.content_type,
    "cache-control": file.immutable ? FOR_EVER : SHORTLY,
    etag: file.etag,
  };
  const known = if_none_match
    ?.split(",")
    .some((tag) => tag.trim().replace(/^W\//, "") === file.etag);
  return known
    ? new Response(null, { status: 304, headers })
    : new Response(file.body, { headers });
}
