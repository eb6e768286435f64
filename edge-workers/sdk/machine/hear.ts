/** What an answer tells, whatever becomes of it. */

import { type Answer, NO_ANSWER, OFFLINE, UNNAMED } from "../wire/ask.ts";
import { type Machine, type Request, renewal_of } from "./machine.ts";

/** What says nothing about what was asked: a purchase may have been taken all the same. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([OFFLINE, NO_ANSWER, UNNAMED, "busy"]);

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const number = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

/** The machine with everything noted that the answer says; its state is `step.ts`'s to change. */
export function hear(machine: Machine, request: Request, answer: Answer): Machine {
  const counted = count(machine, request, answer);
  return answer.ok ? READ[request](counted, answer) : counted;
}

function count(machine: Machine, request: Request, { ok, code, body }: Answer): Machine {
  const says_nothing = SAYS_NOTHING.has(code) && !ok;
  const is_check = code === "challenge";
  // What a gateway challenges is the token, and passing the puzzle makes another one.
  const is_gateways = is_check && (request === "buy" || body.detail === "puzzle");
  // A path_key that has changed is refused as `not_found`; a new entry brings the new one.
  const is_refused =
    is_gateways || code === "bad_token" || (request === "buy" && code === "not_found");
  const counted = { ...machine };
  if (is_refused) counted.refused += 1;
  else if (!says_nothing && !is_check && request !== "entry") counted.refused = 0;
  if (is_refused && request === "buy" && body.detail === "ticket") {
    Object.assign(counted, { ticket: null, place: null, first_place: null, resume: "buying" });
  }
  if (is_check) Object.assign(counted, challenged(machine, request, body, is_gateways));
  // It was refused for sure. Of those before it that were lost, it tells nothing.
  if (request === "buy" && !says_nothing) counted.is_unanswered = machine.is_repeat;
  return counted;
}

/** No answers that were wrong: a puzzle that is asked for, one whose time was up, a token that is not renewed. */
function challenged(
  machine: Machine,
  request: Request,
  body: Body,
  is_gateways: boolean,
): Partial<Machine> {
  const slider = (body.slider ?? null) as { renewed?: true } | null;
  const is_new_puzzle = slider !== null && (machine.slider === null || slider.renewed === true);
  const is_renewal = request === "entry" && renewal_of(machine) !== null;
  const was_answered = !is_gateways && !is_renewal && !is_new_puzzle;
  const puzzle = machine.puzzle || is_gateways;
  // The token of before does not help any more, here or at the gateway.
  return { slider, puzzle, entry_token: null, checks: machine.checks + (was_answered ? 1 : 0) };
}

type Reader = (machine: Machine, answer: Answer) => Machine;

/** The check is behind him. */
const PASSED = { slider: null, puzzle: false, checks: 0 };

const READ: Record<Request, Reader> = {
  lobby: (machine, { body }) => ({
    ...machine,
    ...PASSED,
    ticket: text(body.ticket) ?? machine.ticket,
    bucket: text(body.bucket),
    lobby_number: number(body.lobby_number),
    commit: text(body.commit),
  }),
  entry: (machine, { body }) => ({
    ...machine,
    ...PASSED,
    entry_token: text(body.entry_token) ?? machine.entry_token,
    buy_url: text(body.buy_url) ?? machine.buy_url,
  }),
  buy: (machine, { code, body }) =>
    code === "queued" ? queued(machine, body) : bought(machine, code, body),
  status: (machine, { body }) => ({
    ...machine,
    is_unanswered: false,
    order: text(body.order) ?? machine.order,
    pay_by_ms: number(body.pay_by_ms) ?? machine.pay_by_ms,
    reason: text(body.reason) ?? machine.reason,
  }),
};

type Body = Record<string, unknown>;

function queued(machine: Machine, body: Body): Machine {
  const place = number(body.place);
  return {
    ...machine,
    ticket: text(body.ticket) ?? machine.ticket,
    bucket: text(body.bucket) ?? machine.bucket,
    place,
    first_place: place === null ? machine.first_place : Math.max(place, machine.first_place ?? 0),
    eta_ms: number(body.eta_ms),
  };
}

function bought(machine: Machine, code: string, body: Body): Machine {
  return {
    ...machine,
    // `pending` has a name, by which its status is asked; whether it was taken is still open.
    is_unanswered: code === "pending" || (code !== "reserved" && machine.is_unanswered),
    reservation_id: text(body.reservation_id) ?? machine.reservation_id,
    status_url: text(body.status_url) ?? machine.status_url,
  };
}
