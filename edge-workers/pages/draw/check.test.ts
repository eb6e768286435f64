import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { check_record, check_rows, type Fault, lines_of, place_of, read_holder } from "./check.ts";
import { en, zh } from "./messages.ts";
import { commit_of, Places } from "./places.ts";

const SEED = new Uint8Array(32).fill(5);
const SEED_HEX = "05".repeat(32);
const ITEM = 7;
const SIZES = [5, 12];
const commit = await commit_of(SEED);

const record = (changes: object = {}) => ({
  item: ITEM,
  algorithm: "feistel-hmac-sha256-10",
  commit,
  seed: SEED_HEX,
  sizes: SIZES,
  buckets: ["vip", "regular"],
  ...changes,
});
const fault = async (promise: Promise<unknown>): Promise<Fault> =>
  promise.then(
    () => Promise.reject(new Error("it holds")),
    (error) => error.fault,
  );

describe("a record", () => {
  test("that is right gives everybody's place", async () => {
    const draw = await check_record(record(), ITEM, commit);
    const expected = await new Places(SEED, ITEM, 1, 12).place_of(3);
    expect(await place_of(draw, { bucket: 1, number: 3 })).toBe(expected);
  });

  test.each<[string, object, string, Fault]>([
    ["another seed", { seed: "06".repeat(32) }, "", "seed"],
    ["another commitment", { commit: "0".repeat(64) }, "", "seed"],
    ["a seed of nothing", { seed: null }, "", "unreadable"],
    ["a seed in capitals", { seed: "AB".repeat(32) }, "", "unreadable"],
    ["another item", { item: 8 }, "", "other_item"],
    ["another way to draw", { algorithm: "random" }, "", "algorithm"],
    ["fewer sizes than buckets", { sizes: [5] }, "", "sizes"],
    ["sizes below nothing", { sizes: [5, -1] }, "", "sizes"],
    ["sizes in words", { sizes: ["5", 12] }, "", "sizes"],
    ["a commitment the shopper did not see", {}, "1".repeat(64), "commit"],
  ])("with %s is refused", async (_, changes, seen, expected) => {
    expect(await fault(check_record(record(changes), ITEM, seen))).toBe(expected);
  });

  test.each([null, 7, "text", []])("that is %o is refused", async (body) => {
    expect(await fault(check_record(body, ITEM, ""))).toBe("unreadable");
  });
});

describe("whoever asks", () => {
  const file = new URL("../../../tests/vectors/tickets.json", import.meta.url);
  const tickets = JSON.parse(readFileSync(file, "utf8")).valid as {
    ticket: string;
    claims: { item: number; kind: string; bucket: number; number: number };
  }[];

  test("types a number of his group", () => {
    expect(read_holder(" 12 ", ITEM, 1)).toEqual({ bucket: 1, number: 12 });
  });

  test("pastes a ticket of the lobby, as the gateway signs it", () => {
    const of_lobby = tickets.filter(({ claims }) => claims.kind === "lobby");
    expect(of_lobby.length).toBeGreaterThan(0);
    for (const { ticket, claims } of of_lobby) {
      const { bucket, number, item } = claims;
      expect(read_holder(ticket, item, 0)).toEqual({ bucket, number });
      expect(() => read_holder(ticket, item + 1, 0)).toThrow("ticket_of_other_item");
    }
  });

  test("hears that a ticket of the queue was not drawn", () => {
    const queued = tickets.find(({ claims }) => claims.kind !== "lobby");
    expect(queued).toBeDefined();
    if (queued === undefined) return;
    expect(() => read_holder(queued.ticket, queued.claims.item, 0)).toThrow("ticket_not_of_lobby");
  });

  test.each(["", "-1", "1.5", "007", "a.b", "a.!!.c", "a.bnVsbA.c", "99999999999"])(
    "%o is neither",
    (typed) => {
      expect(() => read_holder(typed, ITEM, 0)).toThrow("not_a_holder");
    },
  );

  test.each([
    [2, 0, "no_such_bucket"],
    [0, 5, "no_such_number"],
    [0, Number.NaN, "no_such_number"],
  ])("bucket %d, number %d: %s", async (bucket, number, expected) => {
    const draw = await check_record(record(), ITEM, "");
    expect(await fault(place_of(draw, { bucket, number }))).toBe(expected);
  });
});

describe("the list", () => {
  const list = async () => {
    const lines = ["bucket,lobby_number,place"];
    for (const [bucket, size] of SIZES.entries()) {
      const places = new Places(SEED, ITEM, bucket, size);
      for (let number = 0; number < size; number += 1) {
        lines.push(`${bucket},${number},${await places.place_of(number)}`);
      }
    }
    return lines;
  };
  const check = async (lines: string[]) => {
    const body = new Blob([`${lines.join("\n")}\n`]).stream() as ReadableStream<Uint8Array>;
    return check_rows(lines_of(body), await check_record(record(), ITEM, ""), () => undefined);
  };

  test("is right to the last row", async () => {
    expect(await check(await list())).toBe(17);
  });

  test.each<[string, (lines: string[]) => string[], Fault]>([
    ["two places exchanged", (all) => all.with(1, all[2] ?? "").with(2, all[1] ?? ""), "row"],
    ["a row left out at the end", (all) => all.slice(0, -1), "rows_missing"],
    ["a row left out in between", (all) => all.toSpliced(3, 1), "row"],
    ["a row too many", (all) => [...all, "1,12,12"], "rows_left"],
    ["another head", (all) => ["a,b,c", ...all.slice(1)], "unreadable"],
  ])("with %s is refused", async (_, change, expected) => {
    expect(await fault(check(change(await list())))).toBe(expected);
  });
});

test("both languages have a sentence for everything", () => {
  expect(Object.keys(zh)).toEqual(Object.keys(en));
  expect(Object.keys(zh.faults)).toEqual(Object.keys(en.faults));
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort().join();
  for (const [name, sentence] of Object.entries(en)) {
    const other = zh[name as keyof typeof zh];
    if (typeof sentence === "string") {
      expect(new Set(values(other as string).split(",")), name).toEqual(
        new Set(values(sentence).split(",")),
      );
    }
  }
  for (const [name, sentence] of Object.entries(en.faults)) {
    expect(values(zh.faults[name as Fault]), name).toBe(values(sentence));
  }
});
