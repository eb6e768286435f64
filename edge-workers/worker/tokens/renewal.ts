/**
 * An entry token that was let in before, shown for the next one: who waits in line for long, or pays
 * slowly, was checked once and has nothing new to prove.
 */

import { jwtVerify } from "jose";
import type { Bound } from "../check/bound.ts";
import { key_id, LEEWAY_S } from "./compact.ts";
import { type Audience, ENTRY_TTL_S } from "./entry.ts";

/** For how long after its end a token can be renewed: a telephone that slept, a page reloaded. */
export const RENEWAL_S = 600;

/** Every claim of an entry token, in the order in which they are signed. */
const CLAIMS = "iss aud sub item dev lvl rs jti nbf iat exp";
const AUDIENCE: Audience = "sluice-gateway";
const RISK_MAX = 100;

const is_whole = (value: unknown): value is number => Number.isSafeInteger(value);

/**
 * The claim `rs` of a token of this very shopper, device and item, which a live key has signed and which
 * expired less than `RENEWAL_S` ago; else null, also when the check itself fails.
 */
export async function renewable_risk(
  token: string,
  keys: ReadonlyMap<string, CryptoKey>,
  bound: Bound,
  now_ms: number,
): Promise<number | null> {
  const key = keys.get(key_id(token) ?? "");
  if (key === undefined) return null;
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ["HS256"],
      typ: "JWT",
      issuer: "sluice-edge",
      audience: AUDIENCE,
      clockTolerance: RENEWAL_S,
      currentDate: new Date(now_ms),
    });
    return is_of(payload, bound, now_ms) ? (payload.rs as number) : null;
  } catch {
    return null;
  }
}

/** The rules that jose does not know, or takes less strictly. */
function is_of(claims: Record<string, unknown>, bound: Bound, now_ms: number): boolean {
  const { aud, sub, item, dev, lvl, rs, jti, nbf, iat, exp } = claims;
  if (Object.keys(claims).join(" ") !== CLAIMS || aud !== AUDIENCE) return false;
  if (sub !== bound.shopper || item !== bound.item || dev !== bound.device) return false;
  if (typeof lvl !== "string" || typeof jti !== "string") return false;
  if (!is_whole(rs) || rs < 0 || rs > RISK_MAX) return false;
  if (!is_whole(nbf) || !is_whole(iat) || !is_whole(exp)) return false;
  if (Math.max(nbf, iat) > now_ms / 1000 + LEEWAY_S) return false;
  return exp - Math.min(nbf, iat) <= ENTRY_TTL_S;
}
