/** The golden vectors of entry tokens: every reader in every language is tested with them. */

import { base64url_bytes } from "../worker/tokens/compact.ts";
import { ENTRY_TTL_S, issue_entry, PUZZLE_COUNTS_S } from "../worker/tokens/entry.ts";
import { BINDINGS } from "./invalid/binding.ts";
import { HEADERS } from "./invalid/header.ts";
import type { InvalidVector } from "./invalid/row.ts";
import { SHAPES } from "./invalid/shape.ts";
import { SIGNATURES } from "./invalid/signature.ts";
import { TIMES } from "./invalid/time.ts";
import { ITEM, KEYS, NOW_S } from "./sealed.ts";

/** Every invalid vector, with the rule it breaks. */
export const INVALID: readonly InvalidVector[] = [
  ...SIGNATURES,
  ...HEADERS,
  ...TIMES,
  ...BINDINGS,
  ...SHAPES,
];

export interface ValidVector {
  name: string;
  token: string;
  claims: Record<string, unknown>;
}

/** The content of `tests/vectors/entry_tokens.json`. `now` is in Unix seconds. */
export interface VectorFile {
  keys: readonly { kid: string; secret: string }[];
  now: number;
  item: number;
  valid: ValidVector[];
  invalid: { name: string; token: string; why: string }[];
}

const ORDINARY = {
  shopper: "shopper-1",
  device: "d3v1ceH4sh_-0001",
  level: "regular",
  risk: 0,
  puzzle_until_s: null as number | null,
  key: 0,
  issued_s: NOW_S - 10,
};

const VALID = [
  { name: "ordinary", ...ORDINARY },
  { name: "second_live_key", ...ORDINARY, key: 1 },
  { name: "shopper_of_every_allowed_kind", ...ORDINARY, shopper: "AZaz09._:-" },
  { name: "shopper_of_one_character", ...ORDINARY, shopper: "0" },
  { name: "shopper_of_64_characters", ...ORDINARY, shopper: "s".repeat(64) },
  { name: "device_of_8_characters", ...ORDINARY, device: "-_-_-_-_" },
  { name: "device_of_64_characters", ...ORDINARY, device: "d".repeat(64) },
  { name: "another_level", ...ORDINARY, level: "first_time" },
  { name: "highest_risk", ...ORDINARY, risk: 100 },
  { name: "puzzle_passed", ...ORDINARY, puzzle_until_s: NOW_S - 10 + PUZZLE_COUNTS_S },
  { name: "puzzle_that_counts_no_more", ...ORDINARY, risk: 42, puzzle_until_s: NOW_S - 1 },
  { name: "issued_now", ...ORDINARY, issued_s: NOW_S },
  { name: "issued_by_a_clock_4_s_ahead", ...ORDINARY, issued_s: NOW_S + 4 },
  { name: "expired_4_s_ago_within_leeway", ...ORDINARY, issued_s: NOW_S - ENTRY_TTL_S - 4 },
];

async function valid_vector(
  { name, key: index, issued_s, ...entry }: (typeof VALID)[number],
  number: number,
): Promise<ValidVector> {
  const { kid, secret } = KEYS[index] as (typeof KEYS)[number];
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = base64url_bytes(secret);
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]);
  const token_id = Buffer.alloc(16, number).toString("base64url");
  const who = { item: ITEM, ...entry };
  const { token } = await issue_entry(who, { kid, key }, issued_s * 1000, token_id);
  const payload = Buffer.from(token.split(".")[1] as string, "base64url").toString();
  return { name, token, claims: JSON.parse(payload) };
}

/** The file's content, the same on every run. Valid tokens come from the worker's own issuer. */
export async function build_vectors(): Promise<VectorFile> {
  return {
    keys: KEYS,
    now: NOW_S,
    item: ITEM,
    valid: await Promise.all(VALID.map(valid_vector)),
    invalid: INVALID.map(({ name, token, why }) => ({ name, token, why })),
  };
}

/** The file's exact text. */
export async function vectors_text(): Promise<string> {
  return `${JSON.stringify(await build_vectors(), null, 2)}\n`;
}
