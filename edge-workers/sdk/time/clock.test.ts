import { describe, expect, test } from "vitest";
import { Clock, type TimeSource } from "./clock.ts";

/** A server `ahead_ms` ahead of this computer, behind a network with these journeys; null: no answer. */
function server(ahead_ms: number, journeys: ([there_ms: number, back_ms: number] | null)[]) {
  let here_ms = 1000;
  let ahead = ahead_ms;
  const source: TimeSource = {
    monotonic: () => here_ms,
    read_server: async () => {
      const journey = journeys.length > 1 ? journeys.shift() : journeys[0];
      if (journey == null) return null;
      here_ms += journey[0];
      const read_ms = here_ms + ahead;
      here_ms += journey[1];
      return read_ms;
    },
  };
  return {
    clock: new Clock(source),
    journeys,
    pass: (ms: number) => {
      here_ms += ms;
    },
    move: (ms: number) => {
      ahead += ms;
    },
    truth_ms: () => here_ms + ahead,
  };
}

/** The same numbers each time, in [0, 1). */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe.each([-300_000, 0, 300_000])("a server %i ms ahead", (ahead_ms) => {
  test("is followed by the sample with the smallest round trip", async () => {
    const { clock, pass, truth_ms } = server(ahead_ms, [
      [400, 10],
      [5, 5],
      [10, 900],
      [80, 2],
      [2, 60],
    ]);
    await clock.sync();
    expect(clock.now_ms()).toBe(truth_ms());
    expect(clock.error_ms).toBeLessThan(6);
    pass(60_000);
    expect(clock.now_ms()).toBe(truth_ms());
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("the truth is within the bound (seed %i)", async (seed) => {
    const chance = chances(seed);
    const lopsided = () => [chance() ** 4 * 800, chance() ** 4 * 800] as [number, number];
    const { clock, journeys, pass, truth_ms } = server(ahead_ms, [lopsided()]);
    for (let round = 0; round < 50; round += 1) {
      journeys.splice(0, journeys.length, ...Array.from({ length: 6 }, lopsided));
      await clock.sync();
      const wrong_ms = Math.abs((clock.now_ms() as number) - truth_ms());
      expect(wrong_ms, `seed ${seed}, round ${round}`).toBeLessThanOrEqual(clock.error_ms + 1e-6);
      pass(chance() * 20_000);
    }
  });
});

test("what was told never goes back, however the estimates move", async () => {
  const chance = chances(11);
  const far = () => [chance() * 300, chance() * 300] as [number, number];
  const { clock, journeys, pass, move } = server(5000, [far()]);
  let told = Number.NEGATIVE_INFINITY;
  for (let round = 0; round < 200; round += 1) {
    journeys.splice(0, journeys.length, ...Array.from({ length: 6 }, far));
    if (round % 10 === 9) move(chance() * 2000 - 1000);
    await clock.sync();
    for (let tick = 0; tick < 10; tick += 1) {
      pass(chance() * 100);
      const now_ms = clock.now_ms() as number;
      expect(now_ms).toBeGreaterThanOrEqual(told);
      told = now_ms;
    }
  }
});

test("who was told too much is slowed down until the truth has caught up", async () => {
  const { clock, pass, move, truth_ms } = server(0, [[1, 1]]);
  await clock.sync();
  clock.now_ms();
  move(-1000);
  pass(60_000);
  clock.now_ms();
  await clock.sync();
  const ahead_ms = (clock.now_ms() as number) - truth_ms();
  expect(ahead_ms).toBeGreaterThan(900);
  pass(400);
  expect((clock.now_ms() as number) - truth_ms()).toBeCloseTo(ahead_ms - 200, 0);
  pass(5000);
  expect(clock.now_ms()).toBeCloseTo(truth_ms(), 6);
});

test("a worse look does not replace a better one", async () => {
  const { clock, journeys, truth_ms } = server(0, [[4, 4]]);
  await clock.sync();
  journeys.splice(0, journeys.length, [0, 600]);
  await clock.sync();
  expect(clock.error_ms).toBeLessThan(5);
  expect(clock.now_ms()).toBe(truth_ms());
});

test("without an answer the time is not known, and not guessed", async () => {
  const { clock, journeys } = server(0, [null]);
  expect(await clock.sync()).toBe(false);
  expect(clock.now_ms()).toBeNull();
  expect(clock.error_ms).toBe(Number.POSITIVE_INFINITY);
  journeys.splice(0, journeys.length, [3, 3]);
  expect(await clock.sync()).toBe(true);
  expect(clock.now_ms()).not.toBeNull();
});

test("answers that are lost are left out", async () => {
  const { clock, truth_ms } = server(300_000, [null, [90, 1], null, [7, 7], null]);
  expect(await clock.sync()).toBe(true);
  expect(clock.now_ms()).toBe(truth_ms());
});

test("of a server that is not there two samples are enough", async () => {
  let read = 0;
  const read_server = async () => {
    read += 1;
    return null;
  };
  expect(await new Clock({ monotonic: () => 0, read_server }).sync()).toBe(false);
  expect(read).toBe(2);
});
