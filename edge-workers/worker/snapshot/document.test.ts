import { describe, expect, test } from "vitest";
import { DEMO_KEY, document, ENTRY_KEY, item, NOW_MS, OTHER_KEY } from "../../fixtures/sale.ts";
import { read_document } from "./document.ts";

test("a good document is read", () => {
  const read = read_document(document());
  expect(read.version).toBe(12);
  expect(read.items.get(7)).toMatchObject({ id: 7, merchant: "demo", state: "live" });
  expect(read.signing_key).toEqual(ENTRY_KEY);
  expect(read.entry_keys.map(({ kid }) => kid)).toEqual(["e-1", "e-2"]);
  expect(read.session_keys).toEqual([
    { merchant: "demo", ...DEMO_KEY },
    { merchant: "other", ...OTHER_KEY },
  ]);
  expect(read.canary_percent).toBe(0);
  expect(read.items.get(7)?.canary_percent).toBeNull();
});

test("the share of the canary is read for everybody and for an item", () => {
  const read = read_document(
    document({
      switches: { sale_enabled: true, canary_percent: 12.5 },
      items: {
        "7": item({ switches: { canary_percent: 0 } }),
        "8": item({ id: 8, switches: { sale_enabled: true } }),
      },
    }),
  );
  expect(read.canary_percent).toBe(12.5);
  expect(read.items.get(7)?.canary_percent).toBe(0);
  expect(read.items.get(8)?.canary_percent).toBeNull();
});

test.each([
  [false, { sale_enabled: true }, true],
  [true, { sale_enabled: false }, false],
  [false, { canary_percent: 5 }, false],
  [true, {}, true],
  [false, undefined, false],
  [true, undefined, true],
])("selling everywhere %s and on the item %o is %s", (everywhere, switches, selling) => {
  const read = read_document(
    document({
      switches: { sale_enabled: everywhere },
      items: { "7": item({ switches }) },
    }),
  );
  expect(read.items.get(7)?.sale_enabled).toBe(selling);
});

test("fields that the edge does not know are ignored", () => {
  const grown = { ...document({ items: { "7": item({ colour: "red" }) } }), news: [] };
  expect(read_document(grown).items.size).toBe(1);
});

const item_with = (overrides: Record<string, unknown>) => ({ items: { "7": item(overrides) } });

describe("a document is refused with the field's name", () => {
  test.each([
    ["version", { version: 0 }],
    ["version", { version: "12" }],
    ["built_at_ms", { built_at_ms: 1.5 }],
    ["items", { items: [] }],
    ["items.7", { items: { "7": null } }],
    ["items.8.id", { items: { "8": item() } }],
    ["items.7.id", item_with({ id: "7" })],
    ["items.7.merchant", item_with({ merchant: "" })],
    ["items.7.state", item_with({ state: "draft" })],
    ["items.7.state", item_with({ state: undefined })],
    ["items.7.start_ms", item_with({ start_ms: -1 })],
    ["items.7.end_ms", item_with({ end_ms: null })],
    ["items.7.end_ms", item_with({ start_ms: NOW_MS, end_ms: NOW_MS })],
    ["items.7.path_key", item_with({ path_key: "short" })],
    ["items.7.path_key", item_with({ path_key: "../../../../../healthz" })],
    ["entry_keys", { entry_keys: [] }],
    ["entry_keys", { entry_keys: [{ ...ENTRY_KEY, sign: false }] }],
    ["entry_keys", { entry_keys: [ENTRY_KEY, ENTRY_KEY].map((key) => ({ ...key, sign: true })) }],
    ["entry_keys[0].secret", { entry_keys: [{ kid: "e-1", sign: true }] }],
    ["merchants", { merchants: undefined }],
    ["merchants.demo.session_keys", { merchants: { demo: {} } }],
    ["merchants.demo.session_keys[0].kid", { merchants: { demo: { session_keys: [{}] } } }],
    [
      "merchants.demo.session_keys[1].kid",
      { merchants: { demo: { session_keys: [DEMO_KEY, DEMO_KEY] } } },
    ],
    ["switches", { switches: undefined }],
    ["switches.sale_enabled", { switches: { sale_enabled: 1 } }],
    ["switches.canary_percent", { switches: { sale_enabled: true, canary_percent: 101 } }],
    ["switches.canary_percent", { switches: { sale_enabled: true, canary_percent: "5" } }],
    ["items.7.switches", item_with({ switches: [] })],
    ["items.7.switches.sale_enabled", item_with({ switches: { sale_enabled: null } })],
    ["items.7.switches.canary_percent", item_with({ switches: { canary_percent: -1 } })],
  ])("%s: %o", (field, overrides) => {
    expect(() => read_document(document(overrides))).toThrow(`${field} must be`);
  });
});
