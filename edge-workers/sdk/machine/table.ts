/**
 * The transition table of a purchase: what each state asks for, and where each answer leads.
 *
 * An answer that is not in the row of its state changes nothing but the waiting (`step.ts`): it is
 * asked again, later. So only what is written here can end a purchase.
 */

import type { Request, State } from "./machine.ts";

/** What the shopper or the clock can do: he presses the button; the sale starts. */
export const PRESS = "press";
export const START = "start";
/** Tokens were refused several times in a row: a new one does not help. */
export const AGAIN_REFUSED = "again_refused";
/** Checks were not satisfied several times: another one does not help either. */
export const CHECK_FAILED = "check_failed";

export interface Row {
  /** The one request of this state; null: nothing happens by itself. */
  asks: Request | null;
  /** Answer's code, or what was done → next state. */
  on: Readonly<Record<string, State>>;
  /** No answer leaves this state, but one to `looks`; only the shopper does, where `on` says so. */
  is_end?: true;
  /** What is asked now and then all the same. */
  looks?: Request;
}

const REFUSALS = {
  denied: "denied",
  bad_request: "bad_request",
  [AGAIN_REFUSED]: "bad_token",
  [CHECK_FAILED]: "challenge",
} as const;

const DECIDED = {
  confirmed: "confirmed",
  paid: "paid",
  rejected: "rejected",
  expired: "expired",
  cancelled: "cancelled",
} as const;

const BOUGHT = {
  ...REFUSALS,
  ...DECIDED,
  reserved: "reserved",
  pending: "pending",
  queued: "queued",
  limit_reached: "limit_reached",
  sold_out: "sold_out",
  ended: "ended",
  // A better token may help: `bad_token`, `not_found` (the path key has changed), `challenge`.
  bad_token: "entering",
  not_found: "entering",
  challenge: "entering",
} as const;

const FOLLOWED = {
  ...DECIDED,
  reserved: "reserved",
  bad_token: "entering",
  [AGAIN_REFUSED]: "bad_token",
} as const;

/** Ends that a new try may change. */
const restartable: Row = { asks: null, on: { [PRESS]: "entering" }, is_end: true };
const for_good: Row = { asks: null, on: {}, is_end: true };

export const TABLE: Readonly<Record<State, Row>> = {
  waiting: { asks: null, on: { [PRESS]: "entering", join: "joining" } },
  joining: {
    asks: "lobby",
    // `ended` also says that the lobby has closed because the sale began: the entry knows.
    on: {
      ...REFUSALS,
      joined: "lobby",
      ended: "entering",
      not_found: "entering",
      bad_token: "joining",
      challenge: "joining",
      no_session: "no_session",
    },
  },
  lobby: { asks: null, on: { [START]: "entering" } },
  entering: {
    asks: "entry",
    on: {
      ...REFUSALS,
      let_in: "buying", // or where he was before: `resume`
      bad_token: "entering",
      challenge: "entering",
      no_session: "no_session",
      ended: "ended",
      sold_out: "sold_out",
      not_found: "not_found",
    },
  },
  buying: { asks: "buy", on: BOUGHT },
  queued: { asks: "buy", on: BOUGHT },
  // Nobody knows it: not taken after all, so it is bought again with the same key.
  pending: { asks: "status", on: { ...FOLLOWED, not_found: "buying" } },
  reserved: { asks: "status", on: FOLLOWED },
  confirmed: { asks: "status", on: FOLLOWED },
  paid: for_good,
  rejected: restartable,
  // Money that comes late makes it paid, if there is a unit left (control_plane/orders/paying.py).
  expired: { ...restartable, on: { [PRESS]: "entering", paid: "paid" }, looks: "status" },
  cancelled: restartable,
  sold_out: restartable,
  limit_reached: for_good,
  ended: for_good,
  challenge: restartable,
  denied: for_good,
  bad_token: restartable,
  bad_request: for_good,
  not_found: for_good,
  no_session: restartable,
  unknown: for_good,
};

/** Whether it has ended: nothing is asked by itself any more, save for `looks`. */
export const is_end = (state: State): boolean => TABLE[state].is_end === true;
