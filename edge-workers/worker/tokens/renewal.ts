/**
 * An entry token that was let in before, shown for the next one: who waits in line for long, or pays
 * slowly, was checked once and has nothing new to prove.
 */

import { jwtVerify } from "jose";
import type { Bound } from "../check/bound.ts";
import { key_id, LEEWAY_S } from "./compact.ts";
import { type Audience, ENTRY_TTL_S, type Entry, PUZZLE_COUNTS_S } from "./entry.ts";

/** For how long after its end a token can be renewed: a telephone that slept, a page reloaded. */
export const RENEWAL_S = 600;

/** Every claim of an entry token, in the order in which they are signed, without and with a puzzle. */
const CLAIMS: readonly string[] = [
  "iss aud sub item dev lvl rs jti nbf iat exp",
  "iss aud sub item dev lvl rs pz jti nbf iat exp",
];
const AUDIENCE: Audience = "sluice-gateway";
const RISK_MAX = 100;

const is_whole = (value: unknown): value is number => Number.isSafeInteger(value);

/** What is kept of a check that was passed before. */
export type Passed = Pick<Entry, "risk" | "puzzle_until_s">;

/**
 * What a token says of this very shopper, device and item, which a live key has signed and which
 * expired less than `RENEWAL_S` ago; else null, also when the check itself fails. A puzzle is kept
 * with its own end, so that renewing does not make it count for longer.
 */
export async function renewable(
  token: string,
  keys: ReadonlyMap<string, CryptoKey>,
  bound: Bound,
  now_ms: number,
): Promise<Passed | null> {
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
    if (!is_of(payload, bound, now_ms)) return null;
    const { rs, pz } = payload as { rs: number; pz?: number };
    return { risk: rs, puzzle_until_s: pz !== undefined && pz * 1000 > now_ms ? pz : null };
  } catch {
    return null;
  }
}

/** The rules that jose does not know, or takes less strictly. */
function is_of(claims: Record<string, unknown>, bound: Bound, now_ms: number): boolean {
  const { aud, sub, item, dev, lvl, rs, pz = 0, jti, nbf, iat, exp } = claims;
  if (!CLAIMS.includes(Object.keys(claims).join(" ")) || aud !== AUDIENCE) return false;
  if (sub !== bound.shopper || item !== bound.item || dev !== bound.device) return false;
  if (typeof lvl !== "string" || typeof jti !== "string") return false;
  if (!is_whole(rs) || rs < 0 || rs > RISK_MAX) return false;
  if (!is_whole(pz) || !is_whole(nbf) || !is_whole(iat) || !is_whole(exp)) return false;
  if (Math.max(nbf, iat) > now_ms / 1000 + LEEWAY_S) return false;
  return exp - Math.min(nbf, iat) <= ENTRY_TTL_S && pz - iat <= PUZZLE_COUNTS_S;
}
