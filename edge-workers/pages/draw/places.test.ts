import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ALGORITHM, bytes_of_hex, commit_of, Places } from "./places.ts";

interface Vector {
  seed: string;
  commit: string;
  item: number;
  bucket: number;
  size: number;
  numbers: number[];
  places: number[];
}

const FILE = new URL("../../../tests/vectors/draw_places.json", import.meta.url);
const vectors = JSON.parse(readFileSync(FILE, "utf8")) as { algorithm: string; draws: Vector[] };

test("the vectors are of this algorithm, and there are some", () => {
  expect(vectors.algorithm).toBe(ALGORITHM);
  expect(vectors.draws.length).toBeGreaterThan(5);
});

test.each(vectors.draws)("item $item, bucket $bucket, lobby of $size", async (vector) => {
  const seed = bytes_of_hex(vector.seed);
  expect(await commit_of(seed)).toBe(vector.commit);
  const places = new Places(seed, vector.item, vector.bucket, vector.size);
  const drawn = await Promise.all(vector.numbers.map((number) => places.place_of(number)));
  expect(drawn).toEqual(vector.places);
});

test.each([3, 64, 97])("every place of %i is given once", async (size) => {
  const places = new Places(new Uint8Array(32).fill(7), 1, 0, size);
  const drawn = new Set<number>();
  for (let number = 0; number < size; number += 1) drawn.add(await places.place_of(number));
  expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, at) => at));
});

test.each([-1, 3, 1.5, Number.NaN])("number %d of a lobby of 3 is refused", async (number) => {
  const places = new Places(new Uint8Array(32), 1, 0, 3);
  await expect(places.place_of(number)).rejects.toThrow(RangeError);
});

test.each([-1, 1.5, 2 ** 30 + 1, Number.NaN])("a lobby of %d is refused", (size) => {
  expect(() => new Places(new Uint8Array(32), 1, 0, size)).toThrow(RangeError);
});

test.each(["abc", "zz", "AB"])("%s is not hex", (hex) => {
  expect(() => bytes_of_hex(hex)).toThrow(RangeError);
});
