import { expect, test } from "vitest";
import type { Clock } from "./clock.ts";
import { Resync } from "./resync.ts";

function looked(chance = 0.5) {
  let looks = 0;
  let answers = true;
  const clock = {
    sync: async () => {
      looks += 1;
      return answers;
    },
  } as unknown as Clock;
  const resync = new Resync(clock, chance);
  return {
    tick: (at_ms: number, left_ms: number | null, slept_ms = 0) =>
      resync.tick(at_ms, at_ms + slept_ms, left_ms),
    looks: () => looks,
    fail: (failing: boolean) => {
      answers = !failing;
    },
  };
}

test("it looks at once, and every five minutes", () => {
  const { tick, looks } = looked();
  tick(0, 3_600_000);
  tick(1000, 3_599_000);
  expect(looks()).toBe(1);
  tick(300_000, 3_300_000);
  expect(looks()).toBe(2);
});

test.each([
  [0, 10_000],
  [0.999, 59_950],
])("before the start it looks once more (chance %f)", (chance, left_ms) => {
  const { tick, looks } = looked(chance);
  tick(0, 100_000);
  tick(1, left_ms + 1000);
  expect(looks()).toBe(1);
  tick(2, left_ms);
  tick(3, left_ms - 1000);
  tick(4, 1);
  expect(looks()).toBe(2);
});

test("a computer that slept is looked after at once", () => {
  const { tick, looks } = looked();
  tick(0, null);
  tick(100, null, 60_000);
  expect(looks()).toBe(2);
});

test("no answer is tried again soon", async () => {
  const { tick, looks, fail } = looked();
  fail(true);
  tick(0, null);
  await Promise.resolve().then(() => undefined);
  tick(1999, null);
  expect(looks()).toBe(1);
  tick(2000, null);
  expect(looks()).toBe(2);
});
