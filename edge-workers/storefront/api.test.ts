import { afterEach, expect, test, vi } from "vitest";
import { synced_clock } from "./api.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A server whose clock is `ahead_ms` ahead, behind a network with these round trips. */
function server(ahead_ms: number, round_trips: [there_ms: number, back_ms: number][]) {
  let now = 1000;
  vi.stubGlobal("performance", { now: () => now });
  vi.stubGlobal("fetch", async () => {
    const [there_ms, back_ms] = round_trips.shift() ?? [1, 1];
    now += there_ms;
    const body = JSON.stringify({ now_ms: now + ahead_ms });
    now += back_ms;
    return new Response(body);
  });
  return { pass: (ms: number) => (now += ms), truth: () => now + ahead_ms };
}

test.each([-300_000, 0, 300_000])("a server %i ms ahead is followed", async (ahead_ms) => {
  const { pass, truth } = server(ahead_ms, [
    [400, 10],
    [5, 5],
    [10, 900],
    [80, 2],
    [2, 60],
  ]);
  const clock = await synced_clock();
  // The sample of 5 ms there and 5 ms back wins, and it is exact.
  expect(clock()).toBe(truth());
  pass(60_000);
  expect(clock()).toBe(truth());
});

test("the error is at most half the smallest round trip", async () => {
  const { truth } = server(5000, Array(5).fill([40, 0]));
  const clock = await synced_clock();
  expect(Math.abs(clock() - truth())).toBeLessThanOrEqual(20);
});

test("without a server the computer's clock has to do", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("fetch failed");
  });
  const clock = await synced_clock();
  expect(Math.abs(clock() - Date.now())).toBeLessThan(60_000);
});
