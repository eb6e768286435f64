/**
 * What a reader of entry tokens has to check, written for reading and not for speed. It is the
 * yardstick of the golden vectors: every invalid one must break the rule it claims to break, and
 * none before it. The verifier that guards sales is the gateway's.
 */

import { createHmac, timingSafeEqual } from "node:crypto";

/** The first rule a token breaks, in the order of the checks below. */
export type Fault =
  | "size"
  | "segments"
  | "encoding"
  | "header"
  | "kid"
  | "signature"
  | "payload"
  | "issuer"
  | "audience"
  | "subject"
  | "item"
  | "device"
  | "claims"
  | "lifetime"
  | "time";

/** What the reader knows: the live keys, the time in Unix seconds, the item asked for. */
export interface Reader {
  keys: readonly { kid: string; secret: string }[];
  now_s: number;
  item: number;
}

const TOKEN_MAX_CHARS = 2048;
const LIFETIME_MAX_S = 120;
const PUZZLE_MAX_S = 1800;
const LEEWAY_S = 5;
const SUBJECT = /^[A-Za-z0-9._:-]{1,64}$/;
const DEVICE = /^[A-Za-z0-9_-]{8,64}$/;

type Fields = Record<string, unknown>;

/** JavaScript's `$` matches at the very end only; in Lua, Python and PCRE a newline may follow. */
const matches = (pattern: RegExp, value: unknown): boolean =>
  typeof value === "string" && pattern.test(value);

const whole = (value: unknown): value is number => Number.isSafeInteger(value);

function object_of(segment: string): Fields | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, "base64url").toString());
    const is_object = typeof value === "object" && value !== null && !Array.isArray(value);
    return is_object ? (value as Fields) : null;
  } catch {
    return null;
  }
}

const is_canonical = (segment: string): boolean =>
  Buffer.from(segment, "base64url").toString("base64url") === segment;

function header_is_exact(header: Fields | null): header is Fields & { kid: string } {
  return (
    header !== null &&
    Object.keys(header).sort().join() === "alg,kid,typ" &&
    header.alg === "HS256" &&
    header.typ === "JWT" &&
    typeof header.kid === "string"
  );
}

function signature_matches(input: string, signature: string, secret: string): boolean {
  const expected = createHmac("sha256", Buffer.from(secret, "base64url")).update(input).digest();
  const given = Buffer.from(signature, "base64url");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function claims_fault(claims: Fields, { now_s, item }: Reader): Fault | null {
  const { iss, aud, sub, dev, lvl, rs, pz = 0, jti, nbf, iat, exp } = claims;
  if (iss !== "sluice-edge") return "issuer";
  if (aud !== "sluice-gateway") return "audience";
  if (!matches(SUBJECT, sub)) return "subject";
  if (claims.item !== item) return "item";
  if (!matches(DEVICE, dev)) return "device";
  if (typeof lvl !== "string" || typeof jti !== "string") return "claims";
  if (!whole(rs) || rs < 0 || rs > 100 || !whole(pz)) return "claims";
  if (!whole(nbf) || !whole(iat) || !whole(exp)) return "claims";
  if (exp - iat > LIFETIME_MAX_S || pz - iat > PUZZLE_MAX_S) return "lifetime";
  if (now_s >= exp + LEEWAY_S || now_s < nbf - LEEWAY_S) return "time";
  return null;
}

/** The first rule that `token` breaks, or null when it is valid for this reader. */
export function fault_of(token: string, reader: Reader): Fault | null {
  if (token.length > TOKEN_MAX_CHARS) return "size";
  const segments = token.split(".");
  const [header_text, payload, signature] = segments;
  if (segments.length !== 3 || !header_text || !payload || !signature) return "segments";
  if (!segments.every(is_canonical)) return "encoding";
  const header = object_of(header_text);
  if (!header_is_exact(header)) return "header";
  const key = reader.keys.find(({ kid }) => kid === header.kid);
  if (key === undefined) return "kid";
  if (!signature_matches(`${header_text}.${payload}`, signature, key.secret)) return "signature";
  const claims = object_of(payload);
  return claims === null ? "payload" : claims_fault(claims, reader);
}
