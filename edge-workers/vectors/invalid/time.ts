/** Correctly signed, at the wrong time or for too long. */

import { NOW_S, with_claims } from "../sealed.ts";
import { type InvalidVector, row } from "./row.ts";

export const TIMES: readonly InvalidVector[] = [
  row(
    "time",
    "expired",
    with_claims({ nbf: NOW_S - 180, iat: NOW_S - 180, exp: NOW_S - 60 }),
    "expired a minute ago",
  ),
  row(
    "time",
    "expired_beyond_leeway",
    with_claims({ nbf: NOW_S - 126, iat: NOW_S - 126, exp: NOW_S - 6 }),
    "expired 6 s ago, the leeway is 5 s",
  ),
  row(
    "time",
    "nbf_beyond_leeway",
    with_claims({ nbf: NOW_S + 6 }),
    "valid from 6 s ahead, the leeway is 5 s",
  ),
  row(
    "time",
    "nbf_in_an_hour",
    with_claims({ nbf: NOW_S + 3600, iat: NOW_S + 3600, exp: NOW_S + 3720 }),
    "valid from an hour ahead",
  ),
  row(
    "lifetime",
    "lives_an_hour",
    with_claims({ exp: NOW_S - 10 + 3600 }),
    "exp - iat is 3600 s, at most 120 s are allowed",
  ),
  row(
    "lifetime",
    "lives_126_s",
    with_claims({ exp: NOW_S - 10 + 126 }),
    "exp - iat is 126 s, more than 120 s plus leeway",
  ),
  row("claims", "exp_missing", with_claims({ exp: undefined }), "no exp"),
  row("claims", "exp_text", with_claims({ exp: String(NOW_S + 110) }), "exp is text"),
  row("claims", "exp_null", with_claims({ exp: null }), "exp is null"),
  row(
    "claims",
    "iat_missing",
    with_claims({ iat: undefined }),
    "no iat, so the lifetime is unknown",
  ),
  row("claims", "nbf_missing", with_claims({ nbf: undefined }), "no nbf"),
  row("claims", "nbf_text", with_claims({ nbf: "0" }), "nbf is text"),
];
