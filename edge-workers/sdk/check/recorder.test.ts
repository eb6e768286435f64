import { beforeEach, describe, expect, test } from "vitest";
import { decode_trace, MOVES_MAX } from "../../shared/trace.ts";
import { say } from "./messages.ts";
import { Recorder } from "./recorder.ts";

let recorder: Recorder;

beforeEach(() => {
  recorder = new Recorder(1000);
});

const trace = (now_ms = 5000) => {
  const decoded = decode_trace(recorder.trace(now_ms, false));
  if (decoded === null) throw new Error("the recorder wrote no trace");
  return decoded;
};

describe("movement", () => {
  test("is noted as differences, the first place never", () => {
    recorder.moved(1000, 812, 344);
    recorder.moved(1016, 822, 340);
    expect(trace().moves).toEqual([{ dt_ms: 16, dx: 10, dy: -4 }]);
  });

  test("in between frames is added to the next", () => {
    for (let at = 0; at <= 32; at += 2) recorder.moved(1000 + at, 100 + at, 50);
    const { moves } = trace();
    expect(moves.length).toBeLessThanOrEqual(3);
    expect(moves.reduce((sum, { dx }) => sum + dx, 0)).toBeGreaterThanOrEqual(22);
  });

  test("is kept for the last moments only", () => {
    for (let at = 0; at < 1000; at += 1) recorder.moved(1000 + 16 * at, 10 * at, 0);
    expect(trace().moves).toHaveLength(MOVES_MAX);
  });
});

describe("presses", () => {
  test("have a kind, a length and the rest before them", () => {
    recorder.moved(1000, 0, 0);
    recorder.pressed(1160, "mouse");
    recorder.released(1240);
    recorder.clicked(1241);
    expect(trace().presses).toEqual([{ kind: "mouse", since_ms: 160, dwell_ms: 80 }]);
  });

  test("that nothing explains are assistive technology's", () => {
    recorder.clicked(3000);
    expect(trace().presses).toEqual([{ kind: "none", since_ms: 0, dwell_ms: 0 }]);
  });

  test("by a key are the key's", () => {
    recorder.key_down(2000, "Enter");
    recorder.clicked(2001);
    recorder.key_up(2080, "Enter");
    expect(trace().presses).toEqual([]);
    expect(trace().keys).toHaveLength(1);
  });
});

test("keys are times and no names", () => {
  for (const [at, key] of ["KeyS", "KeyE", "KeyC"].entries()) {
    recorder.key_down(2000 + 200 * at, key);
    recorder.key_up(2088 + 200 * at, key);
  }
  expect(trace().keys).toEqual([
    { interval_ms: 0, dwell_ms: 88 },
    { interval_ms: 200, dwell_ms: 88 },
    { interval_ms: 200, dwell_ms: 88 },
  ]);
  const other = new Recorder(1000);
  for (const [at, key] of ["KeyX", "KeyY", "KeyZ"].entries()) {
    other.key_down(2000 + 200 * at, key);
    other.key_up(2088 + 200 * at, key);
  }
  expect(other.trace(5000, false)).toBe(recorder.trace(5000, false));
});

test("scripts and drivers are told of", () => {
  recorder.scripted();
  expect(trace()).toMatchObject({ scripted: true, driven: false });
  expect(decode_trace(recorder.trace(5000, true))?.driven).toBe(true);
});

test("both languages say everything, with their values", () => {
  expect(say("en", "position", { value: 3, most: 236 })).toBe("3 of 236");
  expect(say("zh", "position", { value: 3, most: 236 })).toBe("第 3 格，共 236 格");
});
