/** Correctly signed under a header that must not be accepted. */

import { CLAIMS, encoded, GOOD, HEADER, KEYS, sealed, with_header } from "../sealed.ts";
import { type InvalidVector, row } from "./row.ts";

const [, payload, signature] = GOOD.split(".") as [string, string, string];
const claims_text = JSON.stringify(CLAIMS);

export const HEADERS: readonly InvalidVector[] = [
  row(
    "header",
    "alg_none",
    `${encoded(JSON.stringify({ ...HEADER, alg: "none" }))}.${payload}.${signature}`,
    "alg none, with a signature",
  ),
  row(
    "segments",
    "alg_none_unsigned",
    `${encoded('{"alg":"none","typ":"JWT"}')}.${payload}.`,
    "alg none, signature empty",
  ),
  row("header", "alg_hs512", with_header({ alg: "HS512" }), "alg HS512"),
  row("header", "alg_rs256", with_header({ alg: "RS256" }), "alg RS256, signed with HMAC"),
  row("header", "alg_lower_case", with_header({ alg: "hs256" }), "alg is case-sensitive"),
  row("header", "alg_missing", with_header({ alg: undefined }), "no alg"),
  row("header", "alg_list", with_header({ alg: ["HS256"] }), "alg is a list"),
  row(
    "header",
    "typ_missing",
    with_header({ typ: undefined }),
    "no typ; the header is exactly alg, typ, kid",
  ),
  row("header", "typ_other", with_header({ typ: "at+jwt" }), "typ is not JWT"),
  row("header", "kid_missing", with_header({ kid: undefined }), "no kid"),
  row("kid", "kid_unknown", with_header({ kid: "e-2026-11-z" }), "kid of no live key"),
  row("kid", "kid_empty", with_header({ kid: "" }), "kid is empty"),
  row("header", "kid_number", with_header({ kid: 1 }), "kid is a number"),
  row("header", "kid_null", with_header({ kid: null }), "kid is null"),
  row("kid", "kid_path", with_header({ kid: "../e-2026-11-a" }), "kid looks like a path"),
  row(
    "header",
    "header_jwk",
    with_header({ jwk: { kty: "oct", k: KEYS[0].secret } }),
    "header brings a key along",
  ),
  row(
    "header",
    "header_jku",
    with_header({ jku: "https://keys.example/set.json" }),
    "header points at keys",
  ),
  row(
    "header",
    "header_x5u",
    with_header({ x5u: "https://keys.example/cert.pem" }),
    "header points at a certificate",
  ),
  row("header", "header_crit", with_header({ crit: ["exp"] }), "header has crit"),
  row("header", "header_list", sealed("[]", claims_text), "header is a list"),
  row("header", "header_not_json", sealed("alg=HS256", claims_text), "header is not JSON"),
];
