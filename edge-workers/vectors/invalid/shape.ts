/** Not one compact JWS in its only spelling. */

import { CLAIMS, encoded, GOOD, HEADER, mac, sealed, with_claims } from "../sealed.ts";
import { type InvalidVector, row } from "./row.ts";

const [header, payload, signature] = GOOD.split(".") as [string, string, string];
const claims_text = JSON.stringify(CLAIMS);

/** Same bytes, but the unused bits of the last character are not zero. */
function with_trailing_bits(segment: string): string {
  const last = segment.at(-1) as string;
  return segment.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1);
}

/** Signed over the ordinary base64 spelling of claims whose encoding needs `from`. */
function ordinary_base64(from: string, to: string): string {
  const text = JSON.stringify({ ...CLAIMS, jti: from === "-" ? "~~~>>>>" : "~~~????" });
  const input = `${header}.${encoded(text).replaceAll(from, to)}`;
  return `${input}.${mac(input)}`;
}

export const SHAPES: readonly InvalidVector[] = [
  row("segments", "empty", "", "empty"),
  row("segments", "two_segments", `${header}.${payload}`, "two segments"),
  row("segments", "four_segments", `${GOOD}.${signature}`, "four segments"),
  row(
    "segments",
    "five_segments",
    `${header}....${signature}`,
    "five segments, as an encrypted token has",
  ),
  row("segments", "dot_behind", `${GOOD}.`, "an empty fourth segment"),
  row("segments", "payload_empty", `${header}..${mac(`${header}.`)}`, "payload is empty"),
  row("encoding", "padded", `${GOOD}=`, "base64url with padding"),
  row(
    "encoding",
    "trailing_bits",
    `${header}.${payload}.${with_trailing_bits(signature)}`,
    "same signature bytes, but unused bits of the last character are set",
  ),
  row("encoding", "plus_for_minus", ordinary_base64("-", "+"), "ordinary base64 alphabet: + for -"),
  row(
    "encoding",
    "slash_for_underscore",
    ordinary_base64("_", "/"),
    "ordinary base64 alphabet: / for _",
  ),
  row("encoding", "space_before", ` ${GOOD}`, "a space before"),
  row("encoding", "line_feed_behind", `${GOOD}\n`, "a line feed behind"),
  row("encoding", "space_inside", `${header}. ${payload}.${signature}`, "a space inside"),
  row(
    "encoding",
    "length_impossible",
    `${header}.${payload}.${signature}AA`,
    "signature of 45 characters: no bytes encode to that length",
  ),
  row(
    "payload",
    "payload_not_json",
    sealed(JSON.stringify(HEADER), "sub=shopper-1"),
    "payload is not JSON",
  ),
  row(
    "payload",
    "payload_list",
    sealed(JSON.stringify(HEADER), `[${claims_text}]`),
    "payload is a list",
  ),
  row(
    "payload",
    "payload_text",
    sealed(JSON.stringify(HEADER), '"shopper-1"'),
    "payload is a text",
  ),
  row("payload", "payload_null", sealed(JSON.stringify(HEADER), "null"), "payload is null"),
  row(
    "payload",
    "payload_cut",
    sealed(JSON.stringify(HEADER), claims_text.slice(0, -1)),
    "payload ends early",
  ),
  row("size", "huge", with_claims({ jti: "A".repeat(2048) }), "longer than 2 KiB"),
];
