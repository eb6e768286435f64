import { afterEach, describe, expect, test, vi } from "vitest";
import { new_machine } from "../machine/machine.ts";
import { shopper_of } from "../visit.ts";
import { as_kept, best_store, knows_item, Memory, new_key, passing_store } from "./memory.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

const MACHINE = { ...new_machine("key-1"), state: "queued" as const, ticket: "t1" };

test("what is kept is found again, by the same shopper at the same item of the same edge", () => {
  const store = passing_store();
  new Memory(store, "https://edge.example", 7, "ann", () => 5).save(MACHINE);
  const at = (edge: string, item: number, shopper: string) =>
    new Memory(store, edge, item, shopper).load();
  expect(at("https://edge.example", 7, "ann")).toEqual({ machine: MACHINE, at_ms: 5 });
  expect(at("https://edge.example", 7, "bob")).toBeNull();
  expect(at("https://edge.example", 8, "ann")).toBeNull();
  expect(at("https://other.example", 7, "ann")).toBeNull();
});

test.each([
  "null",
  "7",
  "{",
  '{"machine":null,"at_ms":1}',
  '{"machine":{"state":"queued","resume":"queued","key":"k"}}',
  '{"machine":{"state":"of another version","resume":"queued","key":"k"},"at_ms":1}',
  '{"machine":{"state":"queued","resume":"queued","key":"a b"},"at_ms":1}',
  '{"machine":{"state":"queued","resume":"queued"},"at_ms":1}',
])("%s counts for nothing", (text) => {
  const store = passing_store();
  const memory = new Memory(store, "e", 7, "ann");
  store.setItem(memory.name, text);
  expect(memory.load()).toBeNull();
});

test("what an older version kept has what it did not know", () => {
  const old = { state: "queued", resume: "queued", key: "k", ticket: "t1" };
  expect(as_kept({ machine: old, at_ms: 1 })?.machine).toEqual({ ...new_machine("k"), ...old });
});

test("a full store does not stop the purchase", () => {
  const store = passing_store();
  store.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  expect(() => new Memory(store, "e", 7, "ann").save(MACHINE)).not.toThrow();
});

describe("where storage is forbidden", () => {
  test("the page remembers, and its key is the same after a reload", () => {
    vi.stubGlobal("localStorage", {
      setItem: () => {
        throw new DOMException("no", "SecurityError");
      },
    });
    const { store, lasts } = best_store();
    expect(lasts).toBe(false);
    new Memory(store, "e", 7, "ann").save(MACHINE);
    expect(new Memory(store, "e", 7, "ann").load()?.machine).toEqual(MACHINE);
    expect(new_key(lasts)).toBe(new_key(lasts));
    expect(new_key(true)).not.toBe(new_key(true));
  });
});

test("whether an item is known is seen without knowing the shopper", () => {
  const names = ["other", "sluice.purchase.1 e 7 ann"];
  const store = { ...passing_store(), length: 2, key: (index: number) => names[index] ?? null };
  expect(knows_item(store, "e", 7)).toBe(true);
  expect(knows_item(store, "e", 70)).toBe(false);
  expect(knows_item(passing_store(), "e", 7)).toBe(false);
});

test.each([
  [`h.${btoa('{"sub":"ann"}')}.s`, "ann"],
  [`h.${btoa('{"sub":"a?>~"}').replaceAll("+", "-").replaceAll("/", "_")}.s`, "a?>~"],
  [`h.${btoa('{"sub":7}')}.s`, ""],
  ["nonsense", ""],
  ["", ""],
])("the shopper of %j is %j", (session, shopper) => {
  expect(shopper_of(session)).toBe(shopper);
});
