/** One step of a purchase: pure, so that every sequence of answers can be tried in a test. */

import { type Answer, UNNAMED } from "../wire/ask.ts";
import { hear } from "./hear.ts";
import { type Machine, new_machine, type Request, type State } from "./machine.ts";
import { AGAIN_REFUSED, CHECK_FAILED, is_end, PRESS, START, TABLE } from "./table.ts";
import { backoff_ms, follow_ms, LONGEST_MS, START_SPREAD_MS } from "./waiting.ts";

/** What happens to a purchase. `chance` from [0, 1) is the only randomness. */
export type Signal =
  /** The shopper asks to buy; `key` is used when this begins a new purchase. */
  | { kind: typeof PRESS; key: string }
  /** The shopper asks for a place in the draw. */
  | { kind: "join" }
  /** The sale has started. */
  | { kind: typeof START; chance: number }
  /** The request is about to be sent. */
  | { kind: "asking"; request: Request }
  | { kind: "answer"; request: Request; answer: Answer; chance: number };

/** Refusals of a token, or of a check, in a row until another one is not tried. */
const REFUSED_MAX = 3;
const CHECKS_MAX = 3;

/** Refusals that come before the stock is asked, and so know nothing of an earlier purchase. */
const ASKS_NOBODY: ReadonlySet<State> = new Set(["ended", "denied", "not_found"]);

/** What to do next, or null when nothing happens by itself. */
export function next_request(machine: Machine): { asks: Request; wait_ms: number } | null {
  const { asks } = TABLE[machine.state];
  return asks === null || machine.is_closed ? null : { asks, wait_ms: machine.wait_ms };
}

/** What may be asked now and then of a purchase that has ended, or null. */
export const next_look = ({ state }: Machine): Request | null => TABLE[state].looks ?? null;

/** The purchase after a signal. What does not fit its state changes nothing. */
export function step(machine: Machine, signal: Signal): Machine {
  if (signal.kind === "asking") return about_to_ask(machine, signal.request);
  if (signal.kind !== "answer") return after_deed(machine, signal);
  const { asks, looks } = TABLE[machine.state];
  if ((asks ?? looks) !== signal.request) return machine;
  return after_answer(machine, signal.request, signal.answer, signal.chance);
}

/** Before it is sent: a page that is closed meanwhile must know that it may have been taken. */
function about_to_ask(machine: Machine, request: Request): Machine {
  if (request !== "buy") return machine;
  return { ...machine, is_repeat: machine.is_unanswered, is_unanswered: true };
}

type Deed = Exclude<Signal, { kind: "asking" } | { kind: "answer" }>;

function after_deed(machine: Machine, deed: Deed): Machine {
  const state = TABLE[machine.state].on[deed.kind];
  if (state === undefined) return machine;
  // A purchase that has ended is never taken up again: a new one has a new key.
  const is_new = deed.kind === PRESS && is_end(machine.state) && !is_visit_over(machine);
  const base = is_new ? new_machine(deed.key) : machine;
  const resume = base.resume === "buying" && base.ticket !== null ? "queued" : base.resume;
  const wait_ms = deed.kind === START ? deed.chance * START_SPREAD_MS : 0;
  const fresh = { hindrance: null, failures: 0, refused: 0, checks: 0, slider: null };
  return { ...base, ...fresh, state, resume, wait_ms };
}

/** Whether it was his visit that ended, while his purchase is still open. */
function is_visit_over({ state, is_unanswered, reservation_id, ticket }: Machine): boolean {
  const is_visit = state === "bad_token" || state === "no_session" || state === "challenge";
  return is_visit && (is_unanswered || reservation_id !== null || ticket !== null);
}

/** Whether nothing of it is left that a later visit would have to know. */
export function is_settled(machine: Machine): boolean {
  const { state, is_unanswered, reservation_id } = machine;
  if (!is_end(state)) return false;
  return reservation_id === null && !is_unanswered && !is_visit_over(machine);
}

function after_answer(before: Machine, request: Request, answer: Answer, chance: number): Machine {
  const heard = hear(before, request, answer);
  const code = judge(heard, request, answer);
  const target = TABLE[before.state].on[code];
  if (target === undefined && is_end(before.state)) return before;
  if (target === undefined) {
    const wait_ms = backoff_ms(before.failures, answer.retry_after_ms, chance);
    return { ...heard, hindrance: code, failures: before.failures + 1, wait_ms };
  }
  const { order, resume: known } = heard;
  if (ASKS_NOBODY.has(target) && order !== null && TABLE[known].asks === "status") {
    return { ...heard, state: known, hindrance: null, is_closed: true };
  }
  const state = place_of(heard, target, code);
  const failures = state === before.state ? before.failures + 1 : 0;
  const wait_ms = wait_of(state, request, answer, failures, chance);
  const resume = resume_of(heard, state, code);
  return { ...heard, state, resume, hindrance: null, failures, wait_ms };
}

/** The code that the table is asked for. */
function judge({ refused, checks }: Machine, request: Request, answer: Answer): string {
  const { ok, code, body } = answer;
  if (ok && request === "lobby") return typeof body.ticket === "string" ? "joined" : "busy";
  if (ok && request === "entry") {
    const is_whole = typeof body.entry_token === "string" && typeof body.buy_url === "string";
    return is_whole ? "let_in" : "busy";
  }
  if (refused >= REFUSED_MAX) return code === "challenge" ? CHECK_FAILED : AGAIN_REFUSED;
  if (checks >= CHECKS_MAX) return CHECK_FAILED;
  return code === UNNAMED ? "busy" : code;
}

/** Where a row's target leads for this very purchase. */
function place_of(machine: Machine, target: State, code: string): State {
  if (code === "let_in") return machine.resume;
  const may_be_his = machine.is_unanswered || machine.reservation_id !== null;
  return may_be_his && ASKS_NOBODY.has(target) ? "unknown" : target;
}

/** Where he goes on after he has been let in anew. */
function resume_of(machine: Machine, state: State, code: string): State {
  if (state === "queued" || TABLE[state].asks === "status") return state;
  // The place or the order outlives the token, but not when it is the ticket that was refused.
  if (state === "buying" && code !== "let_in") return "buying";
  return machine.resume;
}

function wait_of(
  state: State,
  request: Request,
  { retry_after_ms }: Answer,
  failures: number,
  chance: number,
): number {
  const { asks } = TABLE[state];
  if (asks === null) return 0;
  if (request === "entry" && state !== "entering") return 0;
  if (asks === "status") return follow_ms(failures, retry_after_ms, chance);
  if (state === "queued" && retry_after_ms !== null) return Math.min(retry_after_ms, LONGEST_MS);
  return asks === request || state === "queued" ? backoff_ms(failures, retry_after_ms, chance) : 0;
}
