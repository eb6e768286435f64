/** Which headers of a visitor reach the origin. */

import { own_traceparent } from "../trace/followed.ts";

// RFC 9110 §7.6.1, and what names the visitor or the host: the origin hears those from us alone.
const DROPPED: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "expect",
  "forwarded",
  "true-client-ip",
  "via",
  "x-real-ip",
]);

const DROPPED_PREFIXES = ["sluice-", "x-sluice-", "x-forwarded-", "cf-"] as const;

function is_dropped(name: string): boolean {
  return DROPPED.has(name) || DROPPED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** What the platform says about the connection; both runtimes fill it, differently. */
interface ConnectionFacts {
  /** Cloudflare's data centre. workerd never sets it. */
  colo?: unknown;
  /** The peer of workerd's socket. Cloudflare never sets it. */
  clientIp?: unknown;
}

/**
 * The visitor's address, or null when the platform does not tell. `CF-Connecting-IP` counts on
 * Cloudflare alone: behind a bare workerd any visitor can write it.
 */
export function client_address(request: Request): string | null {
  const facts = (request as { cf?: ConnectionFacts }).cf;
  if (typeof facts?.colo === "string") return request.headers.get("cf-connecting-ip");
  return typeof facts?.clientIp === "string" ? without_port(facts.clientIp) : null;
}

/** `127.0.0.1` of `127.0.0.1:37022`, `::1` of `[::1]:37022`: workerd tells the peer's port too. */
function without_port(peer: string): string | null {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::\d+)?$/.exec(peer);
  return parts?.[1] ?? parts?.[2] ?? null;
}

/** The headers to send on: end-to-end ones as they are, the client's address from us. */
export function origin_headers(request: Request): Headers {
  const sent = new Headers();
  const named = request.headers.get("connection");
  const hop_by_hop =
    named === null ? null : named.split(",").map((name) => name.trim().toLowerCase());
  for (const [name, value] of request.headers) {
    if (is_dropped(name) || hop_by_hop?.includes(name)) continue;
    sent.append(name, value);
  }
  const address = client_address(request);
  if (address !== null) sent.set("x-forwarded-for", address);
  const traceparent = own_traceparent(request);
  if (traceparent !== null) sent.set("traceparent", traceparent);
  return sent;
}
