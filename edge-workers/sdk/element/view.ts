/** What is shown of a purchase at a moment: pure, so that words and buttons are tested without a page. */

import { type Machine, type State, shown_state } from "../machine/machine.ts";
import { is_end, PRESS, TABLE } from "../machine/table.ts";
import { type Hindrance, type Tone, tone_of, type Words } from "../words/words.ts";
import type { Facts } from "./facts.ts";

/** Money that has not come so long after its time is not "still" on its way. */
export const LATE_MONEY_MS = 30 * 60_000;

export type Phase = "unknown" | "before" | "open" | "over";

export interface View {
  phase: Phase;
  stock: string;
  /** What the clock counts down to; null when there is nothing to wait for. */
  countdown: { label: string; left_ms: number } | null;
  state: State;
  tone: Tone;
  headline: string;
  sentence: string;
  button: { text: string; does: "press" | "join" | null } | null;
  /** Which of the four steps is under way; null before and after. */
  step: number | null;
  queue: { place: string; eta: string; share: number } | null;
  order: { number: string; pay_left_ms: number | null; can_pay: boolean } | null;
}

/** When this page leads the shopper: from the press on until it is decided. */
const STEP_OF: Partial<Record<State, number>> = {
  entering: 0,
  queued: 0,
  buying: 0,
  pending: 0,
  reserved: 1,
  confirmed: 2,
  paid: 4,
};

/** The sale's phase by the server's clock. */
export function phase_of({ state, start_ms, end_ms }: Facts, now_ms: number | null): Phase {
  if (state === "ended") return "over";
  if (now_ms === null) return "unknown";
  if (now_ms >= end_ms) return "over";
  return now_ms < start_ms ? "before" : "open";
}

/**
 * Everything the element shows. `now_ms` is the server's time, null while it is not known. Without
 * the turn (`has_turn`) a puzzle is shown in another tab.
 */
export function view_of(
  machine: Machine,
  facts: Facts,
  now_ms: number | null,
  words: Words,
  is_paying = false,
  has_turn = true,
): View {
  const phase = phase_of(facts, now_ms);
  const state = shown_state(machine);
  const [headline, sentence] = words.states[state];
  const hint = hint_of(machine, state, now_ms, words, is_paying, has_turn);
  return {
    phase,
    stock: stock_of(state, facts, words),
    countdown: countdown_of(state, phase, facts, now_ms, words),
    state,
    tone: tone_of(state),
    headline,
    sentence: hint ?? sentence,
    button: button_of(machine, state, phase, facts, now_ms, words),
    step: STEP_OF[state] ?? null,
    queue: state === "queued" ? queue_of(machine, words) : null,
    order: order_of(machine, state, now_ms),
  };
}

function hint_of(
  { hindrance, lobby_number, slider, is_paying: has_paid, pay_by_ms, state: now }: Machine,
  state: State,
  now_ms: number | null,
  words: Words,
  is_paying: boolean,
  has_turn: boolean,
): string | null {
  // Whoever has a place or a unit need not hear of a gap in reading about it, except of his own line.
  const is_calm = state === "confirmed" && hindrance !== "offline";
  if (slider !== null && !is_end(now) && hindrance === null) {
    return has_turn ? words.hindrances.challenge : words.elsewhere;
  }
  if (hindrance !== null && !is_calm && !is_end(now)) {
    return words.hindrances[hindrance as Hindrance] ?? words.hindrances.busy;
  }
  if (state === "confirmed" && is_paying) return words.paying;
  const is_past = (now_ms ?? 0) > (pay_by_ms ?? Number.POSITIVE_INFINITY) + LATE_MONEY_MS;
  if (state === "expired" && has_paid && !is_past) return words.paid_late;
  if (state === "lobby" && lobby_number !== null) {
    return `${words.lobby_number(lobby_number.toLocaleString(words.locale))} ${words.states.lobby[1]}`;
  }
  return null;
}

/** Whoever is at it knows better than what others have heard. */
function stock_of(state: State, { stock, units, limit }: Facts, words: Words): string {
  const total = words.units(units.toLocaleString(words.locale), limit);
  return state === "waiting" && stock ? `${words.stock[stock]} · ${total}` : total;
}

function countdown_of(
  state: State,
  phase: Phase,
  { start_ms, end_ms }: Facts,
  now_ms: number | null,
  words: Words,
): View["countdown"] {
  if (now_ms === null || phase === "over" || phase === "unknown") return null;
  if (phase === "before") return { label: words.opens_in, left_ms: start_ms - now_ms };
  // Whoever is at it has something else to look at.
  return state === "waiting" ? { label: words.closes_in, left_ms: end_ms - now_ms } : null;
}

function button_of(
  machine: Machine,
  state: State,
  phase: Phase,
  { queue }: Facts,
  now_ms: number | null,
  words: Words,
): View["button"] {
  if (state === "waiting") {
    if (phase === "over") return { text: words.closed, does: null };
    if (phase === "open") return { text: words.buy, does: "press" };
    if (phase === "unknown") return { text: words.clock_unknown, does: null };
    if (queue?.mode !== "draw") return { text: words.not_yet, does: null };
    const is_open = (now_ms as number) >= queue.opens_ms;
    return is_open ? { text: words.join, does: "join" } : { text: words.draw_later, does: null };
  }
  if (is_end(machine.state)) {
    const can_retry = TABLE[machine.state].on[PRESS] !== undefined && phase !== "over";
    return can_retry ? { text: words.again, does: "press" } : null;
  }
  // What takes a moment keeps its button, so that nothing jumps; what takes longer needs none.
  const is_brief = state === "entering" || state === "buying" || state === "joining";
  return is_brief && machine.slider === null ? { text: words.working, does: null } : null;
}

function queue_of({ place, first_place, eta_ms }: Machine, words: Words): View["queue"] {
  if (place === null) return { place: "", eta: "", share: 0 };
  const from = Math.max(first_place ?? place, place, 1);
  return {
    place: place === 0 ? words.next : words.before_you(place.toLocaleString(words.locale)),
    eta: eta_ms === null || place === 0 ? "" : words.eta(duration(eta_ms, words)),
    share: 1 - place / from,
  };
}

/** A time as one says it: rounded up, since nobody minds being early. */
function duration(ms: number, words: Words): string {
  if (ms > 90_000) return words.about_minutes(Math.ceil(ms / 60_000));
  const seconds = Math.ceil(ms / 1000);
  return words.about_seconds(seconds > 10 ? Math.ceil(seconds / 5) * 5 : Math.max(seconds, 1));
}

function order_of(
  { order, pay_by_ms }: Machine,
  state: State,
  now_ms: number | null,
): View["order"] {
  if (order === null) return null;
  const is_due = state === "confirmed" && pay_by_ms !== null && now_ms !== null;
  const pay_left_ms = is_due ? Math.max(0, pay_by_ms - now_ms) : null;
  return { number: order, pay_left_ms, can_pay: state === "confirmed" && pay_left_ms !== 0 };
}
