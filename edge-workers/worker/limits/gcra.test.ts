import { expect, test } from "vitest";
import { Buckets, type Rate } from "./gcra.ts";

const FOUR_A_SECOND: Rate = { step_ms: 250, span_ms: 750 };

/** How many of `tries` at each of the times are admitted. */
function admitted(buckets: Buckets, times_ms: number[], tries = 1, key = "ann"): number {
  let count = 0;
  for (const now_ms of times_ms) {
    for (let tried = 0; tried < tries; tried += 1) {
      if (buckets.charge(key, FOUR_A_SECOND, now_ms) === 0) count += 1;
    }
  }
  return count;
}

test("a burst, then the rate, however often one asks", () => {
  const buckets = new Buckets();
  expect(admitted(buckets, [0], 100)).toBe(3);
  const every_10_ms = Array.from({ length: 1000 }, (_, at) => 10 * (at + 1));
  expect(admitted(buckets, every_10_ms)).toBe(40);
});

test("the wait is exact: a millisecond less is refused", () => {
  const buckets = new Buckets();
  admitted(buckets, [0], 3);
  const wait_ms = buckets.charge("ann", FOUR_A_SECOND, 100);
  expect(wait_ms).toBe(150);
  expect(buckets.charge("ann", FOUR_A_SECOND, 100 + wait_ms - 1)).toBeGreaterThan(0);
  expect(buckets.charge("ann", FOUR_A_SECOND, 100 + wait_ms)).toBe(0);
});

test("each key has a bucket of its own", () => {
  const buckets = new Buckets();
  expect(admitted(buckets, [0], 9, "ann") + admitted(buckets, [0], 9, "bob")).toBe(6);
});

test("what was given back can be had again", () => {
  const buckets = new Buckets();
  admitted(buckets, [0], 3);
  buckets.give_back("ann", FOUR_A_SECOND);
  expect(admitted(buckets, [0], 9)).toBe(1);
});

test("memory is bounded, and who is forgotten has a burst once more", () => {
  const buckets = new Buckets(10);
  admitted(buckets, [0], 3);
  for (let stranger = 0; stranger < 5; stranger += 1) {
    buckets.charge(`s-${stranger}`, FOUR_A_SECOND, 0);
  }
  expect(admitted(buckets, [0], 9)).toBe(0);
  for (let stranger = 0; stranger < 1000; stranger += 1) {
    buckets.charge(`t-${stranger}`, FOUR_A_SECOND, 0);
  }
  expect(buckets.size).toBeLessThanOrEqual(20);
  expect(admitted(buckets, [0], 9)).toBe(3);
});
