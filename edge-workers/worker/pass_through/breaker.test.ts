import { expect, test } from "vitest";
import { Breaker, FAILURES_MAX, PAUSE_MS } from "./breaker.ts";

function broken() {
  const time = { now_ms: 1000 };
  const breaker = new Breaker(() => time.now_ms);
  for (let failure = 0; failure < FAILURES_MAX; failure += 1) breaker.note(false);
  return { breaker, time };
}

test("failures in a row open it, and only the last of them says so", () => {
  const breaker = new Breaker(() => 0);
  const opened = Array.from({ length: FAILURES_MAX + 1 }, () => breaker.note(false));
  expect(opened).toEqual([false, false, true, false]);
  expect(breaker.allows(true)).toBe(false);
});

test("an answer between failures keeps it closed", () => {
  const breaker = new Breaker(() => 0);
  for (const answered of [false, false, true, false, false]) breaker.note(answered);
  expect(breaker.allows(false)).toBe(true);
});

test("after the pause one trial is let through, and it can be repeated elsewhere", () => {
  const { breaker, time } = broken();
  time.now_ms += PAUSE_MS - 1;
  expect(breaker.allows(true)).toBe(false);
  time.now_ms += 1;
  expect(breaker.allows(false)).toBe(false);
  expect(breaker.allows(true)).toBe(true);
  expect(breaker.allows(true)).toBe(false);
});

test("a trial that is answered closes it, one that fails does not", () => {
  const { breaker, time } = broken();
  time.now_ms += PAUSE_MS;
  breaker.allows(true);
  breaker.note(false);
  time.now_ms += PAUSE_MS - 1;
  expect(breaker.allows(true)).toBe(false);
  time.now_ms += 1;
  expect(breaker.allows(true)).toBe(true);
  breaker.note(true);
  expect(breaker.allows(false)).toBe(true);
});

test("a trial that nobody heard of again is followed by another", () => {
  const { breaker, time } = broken();
  time.now_ms += PAUSE_MS;
  expect(breaker.allows(true)).toBe(true);
  time.now_ms += PAUSE_MS;
  expect(breaker.allows(true)).toBe(true);
});
