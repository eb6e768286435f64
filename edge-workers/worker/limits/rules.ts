/** The snapshot's rate limits as the edge uses them: the gateway's rules (`gateway/limit_rules.lua`). */

import type { RateLimit } from "../snapshot/document.ts";
import type { Rate } from "./gcra.ts";

/** What has a bucket of its own here. Limits of a whole level are the gateways' alone. */
export const DIMENSIONS = ["address", "device", "shopper"] as const;
export type Dimension = (typeof DIMENSIONS)[number];
export type Rates = Partial<Record<Dimension, Rate>>;

/** What holds when the document names no limits, at the edge as in the gateway. */
export const DEFAULT_LIMITS: readonly RateLimit[] = DIMENSIONS.map((by) => ({
  by,
  level: "",
  per_s: 3,
  burst: 3,
}));

const MS_PER_S = 1000;
/** Whole 1024ths of a ms add up exactly with a time of today. */
const FRACTIONS = 1024;

/** The slowest rule of a level for a dimension, as in the gateway, or null. */
function slowest(rules: readonly RateLimit[], by: Dimension, level: string): RateLimit | null {
  return rules
    .filter((rule) => rule.by === by && rule.level === level)
    .reduce<RateLimit | null>(
      (least, rule) => (least === null || rule.per_s < least.per_s ? rule : least),
      null,
    );
}

/** The rates of one level, times `scale`; empty when `scale` is 0, which means no limits. */
export function rates_of(limits: readonly RateLimit[] | null, level: string, scale: number): Rates {
  const rates: Rates = {};
  if (scale === 0) return rates;
  const rules = limits ?? DEFAULT_LIMITS;
  for (const by of DIMENSIONS) {
    const rule = slowest(rules, by, level) ?? slowest(rules, by, "");
    if (rule === null) continue;
    const step_ms = Math.ceil((MS_PER_S / (rule.per_s * scale)) * FRACTIONS) / FRACTIONS;
    rates[by] = { step_ms, span_ms: step_ms * rule.burst };
  }
  return rates;
}
