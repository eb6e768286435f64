/** Correctly signed, for another door, another item, or nobody in particular. */

import { with_claims } from "../sealed.ts";
import { type InvalidVector, row } from "./row.ts";

export const BINDINGS: readonly InvalidVector[] = [
  row("audience", "aud_other", with_claims({ aud: "sluice" }), "for another audience"),
  row("audience", "aud_list", with_claims({ aud: ["sluice-gateway"] }), "aud is a list"),
  row("audience", "aud_missing", with_claims({ aud: undefined }), "no aud"),
  row("issuer", "iss_other", with_claims({ iss: "demo" }), "from another issuer"),
  row("issuer", "iss_missing", with_claims({ iss: undefined }), "no iss"),
  row("subject", "sub_missing", with_claims({ sub: undefined }), "no sub"),
  row("subject", "sub_empty", with_claims({ sub: "" }), "sub is empty"),
  row("subject", "sub_number", with_claims({ sub: 1 }), "sub is a number"),
  row(
    "subject",
    "sub_with_brace",
    with_claims({ sub: "a}:buyers" }),
    "sub has a character outside A-Z a-z 0-9 . _ : -",
  ),
  row(
    "subject",
    "sub_with_newline",
    with_claims({ sub: "shopper-1\n" }),
    "sub ends with a line feed",
  ),
  row("subject", "sub_with_nul", with_claims({ sub: "shopper-1\u0000x" }), "sub has a NUL"),
  row("subject", "sub_not_ascii", with_claims({ sub: "顾客" }), "sub is not ASCII"),
  row("subject", "sub_too_long", with_claims({ sub: "s".repeat(65) }), "sub has 65 characters"),
  row("item", "item_other", with_claims({ item: 8 }), "for another item"),
  row("item", "item_text", with_claims({ item: "7" }), "item is text"),
  row("item", "item_fraction", with_claims({ item: 7.5 }), "item is not whole"),
  row("item", "item_list", with_claims({ item: [7] }), "item is a list"),
  row("item", "item_missing", with_claims({ item: undefined }), "no item"),
  row("device", "dev_missing", with_claims({ dev: undefined }), "no dev"),
  row("device", "dev_too_short", with_claims({ dev: "d3v1ce7" }), "dev has 7 characters"),
  row("device", "dev_too_long", with_claims({ dev: "d".repeat(65) }), "dev has 65 characters"),
  row(
    "device",
    "dev_with_dot",
    with_claims({ dev: "d3v1ce.hash" }),
    "dev has a character outside A-Z a-z 0-9 _ -",
  ),
  row("claims", "lvl_missing", with_claims({ lvl: undefined }), "no lvl"),
  row("claims", "lvl_number", with_claims({ lvl: 1 }), "lvl is a number"),
  row("claims", "rs_too_high", with_claims({ rs: 101 }), "rs is above 100"),
  row("claims", "rs_negative", with_claims({ rs: -1 }), "rs is below 0"),
  row("claims", "rs_text", with_claims({ rs: "0" }), "rs is text"),
  row("claims", "jti_missing", with_claims({ jti: undefined }), "no jti"),
];
