/** Entry tokens let one shopper on one device into one item's sale, or its lobby. Gateways read them. */

import { SignJWT } from "jose";
import { base64url } from "./compact.ts";

/** Lifetime of an entry token, and the most a gateway accepts. */
export const ENTRY_TTL_S = 120;
/**
 * For how long a puzzle that was passed counts at a gateway's rules, and the most that one believes: as
 * long as most lines are, so that nobody solves one at each of his two-minute tokens.
 */
export const PUZZLE_COUNTS_S = 1800;

/** The key that signs, as the snapshot store keeps it. */
export interface EntryKey {
  kid: string;
  key: CryptoKey;
}

/** Which door of the gateway a token opens: none opens another. */
export type Audience = "sluice-gateway" | "sluice-lobby";

/**
 * Whom the token lets in where. `risk` is 0 (trusted) … 100; `puzzle_until_s`: until when (Unix seconds)
 * the puzzle counts that he passed, null when he passed none.
 */
export interface Entry {
  item: number;
  shopper: string;
  device: string;
  level: string;
  risk: number;
  puzzle_until_s: number | null;
}

export interface IssuedEntry {
  token: string;
  expires_at_ms: number;
}

/** A fresh token id: 128 random bits, base64url. */
export function random_token_id(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(16)));
}

/**
 * Signs an entry token. The order of header fields and claims is part of the format: a gateway may
 * compare the encoded header byte by byte with the one it expects of a key.
 */
export async function issue_entry(
  entry: Entry,
  { kid, key }: EntryKey,
  now_ms: number,
  token_id: string,
  audience: Audience = "sluice-gateway",
): Promise<IssuedEntry> {
  const iat = Math.floor(now_ms / 1000);
  const exp = iat + ENTRY_TTL_S;
  const claims = {
    iss: "sluice-edge",
    aud: audience,
    sub: entry.shopper,
    item: entry.item,
    dev: entry.device,
    lvl: entry.level,
    rs: entry.risk,
    ...(entry.puzzle_until_s === null ? {} : { pz: entry.puzzle_until_s }),
    jti: token_id,
    nbf: iat,
    iat,
    exp,
  };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT", kid })
    .sign(key);
  return { token, expires_at_ms: exp * 1000 };
}
