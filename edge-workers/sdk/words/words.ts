/** What the element can say. One file a language; every state has its words in each. */

import type { State } from "../machine/machine.ts";
import { is_end } from "../machine/table.ts";

/** Going on, good, or an end that is not good. */
export type Tone = "info" | "good" | "bad";

export type Saying = readonly [headline: string, sentence: string];

/** Why it is not going on right now. */
export const HINDRANCES = [
  "busy",
  "rate_limited",
  "not_started",
  "offline",
  "no_answer",
  "challenge",
] as const;
export type Hindrance = (typeof HINDRANCES)[number];

export interface Words {
  lang: "en" | "zh";
  /** For numbers and prices. */
  locale: string;
  days: string;
  hours: string;
  minutes: string;
  seconds: string;
  opens_in: string;
  closes_in: string;
  over: string;
  clock_unknown: string;
  units: (units: string, limit: number) => string;
  stock: Record<"selling" | "sold_out", string>;
  buy: string;
  join: string;
  again: string;
  not_yet: string;
  draw_later: string;
  closed: string;
  working: string;
  lobby_number: (number: string) => string;
  before_you: (place: string) => string;
  next: string;
  eta: (time: string) => string;
  about_minutes: (minutes: number) => string;
  about_seconds: (seconds: number) => string;
  order: string;
  pay: string;
  pay_within: string;
  paying: string;
  paid_late: string;
  /** The puzzle is shown in another tab. */
  elsewhere: string;
  steps: readonly [line: string, reserved: string, confirmed: string, paid: string];
  not_found: string;
  states: Record<State, Saying>;
  hindrances: Record<Hindrance, string>;
}

const GOOD: ReadonlySet<State> = new Set(["lobby", "confirmed", "paid"]);

/** How a state feels: what has ended otherwise than well is bad news. */
export function tone_of(state: State): Tone {
  if (GOOD.has(state)) return "good";
  return is_end(state) ? "bad" : "info";
}
