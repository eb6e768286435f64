/** Session tokens: signed by the merchant, they say who the shopper is. Verified, never issued. */

import { jwtVerify } from "jose";
import { key_id, LEEWAY_S } from "./compact.ts";

/** A merchant's key as the snapshot store keeps it, by `kid`. */
export interface SessionKey {
  merchant: string;
  key: CryptoKey;
}

/** What a verified session says. */
export interface Session {
  merchant: string;
  shopper: string;
  level: string;
}

const AUDIENCE = "sluice";
const DEFAULT_LEVEL = "regular";
const SESSION_MAX_S = 86_400;
const SHOPPER = /^[A-Za-z0-9._:-]{1,64}$/;
const LEVEL = /^[a-z0-9_]{1,32}$/;

/**
 * Verifies a session token; null when anything about it is not as agreed, also when the check
 * itself fails (a validator that throws refuses). The key's owner is the only accepted issuer, so
 * one merchant cannot sign for another.
 */
export async function verify_session(
  token: string,
  keys: ReadonlyMap<string, SessionKey>,
  now_ms: number,
): Promise<Session | null> {
  const kid = key_id(token);
  const owner = kid === null ? undefined : keys.get(kid);
  if (owner === undefined) return null;
  let claims: Record<string, unknown>;
  try {
    const verified = await jwtVerify(token, owner.key, {
      algorithms: ["HS256"],
      audience: AUDIENCE,
      issuer: owner.merchant,
      clockTolerance: LEEWAY_S,
      currentDate: new Date(now_ms),
      requiredClaims: ["iss", "aud", "sub", "iat", "exp"],
    });
    claims = verified.payload;
  } catch {
    return null;
  }
  return accept(claims, owner.merchant, now_ms);
}

/** The rules that jose does not know. */
function accept(claims: Record<string, unknown>, merchant: string, now_ms: number): Session | null {
  const { aud, sub, iat, exp, lvl = DEFAULT_LEVEL } = claims;
  // jose accepts a list that contains the audience; a session is for one audience.
  if (aud !== AUDIENCE) return null;
  if (typeof sub !== "string" || !SHOPPER.test(sub)) return null;
  if (typeof iat !== "number" || typeof exp !== "number") return null;
  if (iat > now_ms / 1000 + LEEWAY_S || exp - iat > SESSION_MAX_S) return null;
  if (typeof lvl !== "string" || !LEVEL.test(lvl)) return null;
  return { merchant, shopper: sub, level: lvl };
}
