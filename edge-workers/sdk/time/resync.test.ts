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
  const resync = new Resync(clock, () => chance);
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

test("no answer is tried again soon, then more and more seldom, and an answer forgives it all", async () => {
  const { tick, looks, fail } = looked(0.5);
  const heard = () => Promise.resolve().then(() => undefined);
  fail(true);
  tick(0, null);
  await heard();
  let at_ms = 0;
  for (const wait_ms of [250, 500, 1000, 2000, 4000, 7500, 7500]) {
    const before = looks();
    tick(at_ms + wait_ms - 1, null);
    expect(looks(), `${wait_ms} ms`).toBe(before);
    at_ms += wait_ms;
    tick(at_ms, null);
    expect(looks(), `${wait_ms} ms`).toBe(before + 1);
    await heard();
  }
  fail(false);
  tick(at_ms + 7500, null);
  await heard();
  fail(true);
  tick(at_ms + 307_500, null);
  await heard();
  const before = looks();
  tick(at_ms + 307_750, null);
  expect(looks()).toBe(before + 1);
});

test("the wait begins when the answer has not come, not when it was asked for", async () => {
  let fail = (_answered: boolean) => {};
  let looks = 0;
  const sync = () => {
    looks += 1;
    return new Promise<boolean>((resolve) => {
      fail = resolve;
    });
  };
  const resync = new Resync({ sync } as unknown as Clock, () => 0.5);
  resync.tick(0, 0, null);
  resync.tick(9000, 9000, null);
  fail(false);
  await Promise.resolve().then(() => undefined);
  resync.tick(9249, 9249, null);
  expect(looks).toBe(1);
  resync.tick(9250, 9250, null);
  expect(looks).toBe(2);
});
