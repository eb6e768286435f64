/** Right claims, wrong signature. */

import { CLAIMS, encoded, GOOD, HEADER, KEYS, mac, sealed } from "../sealed.ts";
import { type InvalidVector, row } from "./row.ts";

const [header, payload, signature] = GOOD.split(".") as [string, string, string];
const claims_text = JSON.stringify(CLAIMS);

/** The good token with other signature bytes. */
function signed(bytes: Uint8Array): string {
  return `${header}.${payload}.${Buffer.from(bytes).toString("base64url")}`;
}

const bytes = Buffer.from(signature, "base64url");
const one_bit_off = Buffer.from(bytes);
one_bit_off[0] = (bytes[0] as number) ^ 1;

export const SIGNATURES: readonly InvalidVector[] = [
  row("signature", "signature_bit_flipped", signed(one_bit_off), "signature differs in one bit"),
  row(
    "signature",
    "signature_of_other_claims",
    `${header}.${encoded(JSON.stringify({ ...CLAIMS, sub: "shopper-2" }))}.${signature}`,
    "claims changed after signing",
  ),
  row(
    "signature",
    "signature_with_other_key",
    sealed(JSON.stringify(HEADER), claims_text, KEYS[1].secret),
    "signed with the key of another kid",
  ),
  row(
    "signature",
    "signature_truncated",
    signed(bytes.subarray(0, 16)),
    "only 16 of 32 signature bytes",
  ),
  row(
    "signature",
    "signature_extended",
    signed(Buffer.concat([bytes, Buffer.alloc(1)])),
    "33 signature bytes",
  ),
  row(
    "signature",
    "signature_sha512",
    `${header}.${payload}.${mac(`${header}.${payload}`, KEYS[0].secret, "sha512")}`,
    "header says HS256, signature is HMAC-SHA512",
  ),
];
