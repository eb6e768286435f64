import { describe, expect, test } from "vitest";
import { of_humans, of_robots, type Row, table } from "../../fixtures/traces/rates.ts";
import { encode_trace } from "../../shared/trace.ts";
import { RiskScore, SLIDER_FROM } from "./risk_score.ts";

/** Robots that imitate hands well enough: known to pass, and said so in the README. */
const KNOWN_TO_PASS = new Set(["imitation", "wavy", "keys_like_a_clock"]);

const share = (rows: readonly Row[]) =>
  rows.reduce((sum, { asked, count }) => sum + asked * count, 0) /
  rows.reduce((sum, { count }) => sum + count, 0);

describe("on the fixtures", () => {
  const humans = of_humans(SLIDER_FROM);
  const robots = of_robots(SLIDER_FROM);
  const plain = robots.filter(({ kind }) => !KNOWN_TO_PASS.has(kind));

  test("the rates are those of the README", () => {
    const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
    // biome-ignore lint/suspicious/noConsole: the figures are what this test is run for.
    console.log(
      [
        `\n${table(humans)}\n\n${table(robots)}`,
        `people asked for the puzzle (false reject): ${percent(share(humans))}`,
        `robots let through (false accept): ${percent(1 - share(robots))}, without those known to ` +
          `pass: ${percent(1 - share(plain))}`,
      ].join("\n"),
    );
    // Nothing here is drawn by lot: seeds make the people, and the robots are recordings.
    expect(percent(share(humans))).toBe("0.59 %");
    expect(percent(1 - share(plain))).toBe("6.67 %");
    expect(percent(1 - share(robots))).toBe("32.12 %");
  });

  test.each(humans)("of people, no kind is asked more than rarely: $kind", ({ asked }) => {
    expect(asked).toBeLessThan(0.03);
  });

  test.each(plain)("of simple robots, most are asked: $kind", ({ asked }) => {
    expect(asked).toBeGreaterThan(0.5);
  });
});

describe("the score", () => {
  const nothing = {
    driven: false,
    scripted: false,
    watched_s: 5,
    scrolls: 0,
    moves: [],
    presses: [],
    keys: [],
  };
  const judge = (trace: string | null) => new RiskScore().judge(trace, "ann", "device-1");

  test("of a browser that says it is driven is not outweighed by anything", () => {
    const keys = Array.from({ length: 9 }, (_, at) => ({
      interval_ms: 200 + at * 40,
      dwell_ms: 80 + at * 8,
    }));
    expect(judge(encode_trace({ ...nothing, keys }))).toBeLessThan(SLIDER_FROM);
    expect(judge(encode_trace({ ...nothing, keys, driven: true }))).toBe(95);
  });

  test("of nothing, of no trace and of one that is none asks for the puzzle", () => {
    expect(judge(encode_trace(nothing))).toBe(65);
    expect(judge(null)).toBe(70);
    expect(judge("AQAAAA")).toBe(70);
  });

  test("of a single click by assistive technology does not", () => {
    const presses = [{ kind: "none", dwell_ms: 0, since_ms: 0 } as const];
    expect(judge(encode_trace({ ...nothing, presses }))).toBeLessThan(SLIDER_FROM);
  });

  test("forgets: its memory is bounded", () => {
    const risk = new RiskScore();
    const trace = "A".repeat(60);
    expect(risk.judge(trace, "ann", "d")).toBe(70);
    expect(risk.judge(trace, "bob", "e")).toBe(90);
    for (let at = 0; at < 20_001; at += 1) risk.judge(`${trace}${at}`, `s${at}`, `d${at}`);
    expect(risk.judge(trace, "bob", "e")).toBe(70);
  });
});
