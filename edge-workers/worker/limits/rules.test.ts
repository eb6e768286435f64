import { describe, expect, test } from "vitest";
import { rates_of } from "./rules.ts";

const rule = (by: string, per_s: number, burst = 1, level = "") => ({ by, level, per_s, burst });
const STEP_MS = Math.ceil((1000 / 3) * 1024) / 1024;
const THREE_A_SECOND = { step_ms: STEP_MS, span_ms: 3 * STEP_MS };

describe("rates", () => {
  test("without any in the document are the gateway's defaults", () => {
    expect(rates_of(null, "regular", 1)).toEqual({
      address: THREE_A_SECOND,
      device: THREE_A_SECOND,
      shopper: THREE_A_SECOND,
    });
  });

  test("are those of the level, and everybody's where the level has none", () => {
    const limits = [rule("device", 10, 2), rule("device", 20, 4, "vip"), rule("shopper", 1)];
    expect(rates_of(limits, "vip", 1)).toEqual({
      device: { step_ms: 50, span_ms: 200 },
      shopper: { step_ms: 1000, span_ms: 1000 },
    });
    expect(rates_of(limits, "regular", 1).device).toEqual({ step_ms: 100, span_ms: 200 });
  });

  test("of two for the same the slower counts, in whatever order they come", () => {
    const [slow, fast] = [rule("address", 1), rule("address", 9)];
    expect(rates_of([slow, fast], "", 1)).toEqual(rates_of([fast, slow], "", 1));
    expect(rates_of([fast, slow], "", 1).address?.step_ms).toBe(1000);
  });

  test("follow the switch, and 0 is none at all", () => {
    expect(rates_of([rule("device", 10)], "", 2).device?.step_ms).toBe(50);
    expect(rates_of([rule("device", 10)], "", 0)).toEqual({});
  });

  test("of a whole level are left to the gateways", () => {
    expect(rates_of([rule("level", 5, 5, "vip")], "vip", 1)).toEqual({});
  });
});
