import { describe, expect, test } from "vitest";
import { decode_trace, encode_trace, TRACE_MAX_CHARS, type Trace } from "./trace.ts";

const SMALL: Trace = {
  driven: false,
  scripted: true,
  watched_s: 12,
  scrolls: 3,
  moves: [
    { dt_ms: 16, dx: 10, dy: -4 },
    { dt_ms: 2000, dx: -254, dy: 254 },
  ],
  presses: [{ kind: "touch", dwell_ms: 80, since_ms: 160 }],
  keys: [{ interval_ms: 240, dwell_ms: 88 }],
};

test("a trace comes back in its steps", () => {
  expect(decode_trace(encode_trace(SMALL))).toEqual({
    ...SMALL,
    moves: [
      { dt_ms: 16, dx: 10, dy: -4 },
      { dt_ms: 1020, dx: -254, dy: 254 },
    ],
  });
});

test("rounding is carried on, so that a slow line stays straight", () => {
  const moves = Array.from({ length: 90 }, () => ({ dt_ms: 16, dx: 3, dy: 1 }));
  const read = decode_trace(encode_trace({ ...SMALL, moves }))?.moves ?? [];
  const [x, y] = read.reduce(([x, y], { dx, dy }) => [x + dx, y + dy], [0, 0]);
  expect(Math.abs(x - 270)).toBeLessThanOrEqual(2);
  expect(Math.abs(y - 90)).toBeLessThanOrEqual(2);
});

test("the newest is kept of what is too much, and the text has its longest length", () => {
  const many = <Kind>(one: Kind) => Array.from({ length: 500 }, () => one);
  const [move] = SMALL.moves;
  const [press] = SMALL.presses;
  const [key] = SMALL.keys;
  if (!move || !press || !key) throw new Error("the small trace has one of each");
  const moves = [...many(move), { ...move, dx: 42 }];
  const text = encode_trace({ ...SMALL, moves, presses: many(press), keys: many(key) });
  expect(text.length).toBeLessThanOrEqual(TRACE_MAX_CHARS);
  expect(text.length).toBeGreaterThan(TRACE_MAX_CHARS - 4);
  expect(decode_trace(text)?.moves.at(-1)?.dx).toBe(42);
});

describe("what is no trace", () => {
  const good = encode_trace(SMALL);
  test.each([
    "",
    "AQ",
    "a.b",
    `${good}AAAA`,
    good.slice(0, -4),
    `Ag${good.slice(2)}`,
    `AQ_${good.slice(3)}`,
    "A".repeat(TRACE_MAX_CHARS + 4),
  ])("%o", (text) => {
    expect(decode_trace(text)).toBeNull();
  });
});
