/** Hand-made compact JWS, right and wrong, and the fixed facts that all vectors share. */

import { createHmac } from "node:crypto";

/** The moment at which every vector is judged, Unix seconds (2026-11-22 12:00:00 UTC). */
export const NOW_S = 1_795_348_800;
/** The item at whose door every vector is shown. */
export const ITEM = 7;

/** Two live keys, as during a rotation. Test keys: bytes 0x11… and 0x22…. */
export const KEYS = [
  { kid: "e-2026-11-a", secret: Buffer.alloc(32, 0x11).toString("base64url") },
  { kid: "e-2026-11-b", secret: Buffer.alloc(32, 0x22).toString("base64url") },
] as const;

export const HEADER = { alg: "HS256", typ: "JWT", kid: KEYS[0].kid } as const;

export const CLAIMS = {
  iss: "sluice-edge",
  aud: "sluice-gateway",
  sub: "shopper-1",
  item: ITEM,
  dev: "d3v1ceH4sh_-0001",
  lvl: "regular",
  rs: 0,
  jti: "AAAAAAAAAAAAAAAAAAAAAA",
  nbf: NOW_S - 10,
  iat: NOW_S - 10,
  exp: NOW_S + 110,
} as const;

/** base64url of text. */
export const encoded = (text: string): string => Buffer.from(text).toString("base64url");

/** HMAC over the first two segments with a key's secret, base64url. */
export function mac(input: string, secret: string = KEYS[0].secret, hash = "sha256"): string {
  return createHmac(hash, Buffer.from(secret, "base64url")).update(input).digest("base64url");
}

/** A token of exactly these two texts, signed with the first key unless told otherwise. */
export function sealed(header: string, payload: string, secret: string = KEYS[0].secret): string {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${mac(input, secret)}`;
}

/** A correctly signed token with some claims replaced; `undefined` leaves a claim out. */
export function with_claims(overrides: Record<string, unknown>): string {
  return sealed(JSON.stringify(HEADER), JSON.stringify({ ...CLAIMS, ...overrides }));
}

/** A correctly signed token with some header fields replaced or added. */
export function with_header(overrides: Record<string, unknown>): string {
  return sealed(JSON.stringify({ ...HEADER, ...overrides }), JSON.stringify(CLAIMS));
}

/** A good token, to be damaged. */
export const GOOD = with_claims({});
