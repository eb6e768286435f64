/** What is known of one purchase, and the words for where it stands. */

/** Where a purchase stands. The order is that of a good one; the rest are its ends. */
export const STATES = [
  "waiting",
  "joining",
  "lobby",
  "entering",
  "queued",
  "buying",
  "pending",
  "reserved",
  "confirmed",
  "paid",
  "rejected",
  "expired",
  "cancelled",
  "sold_out",
  "limit_reached",
  "ended",
  "challenge",
  "denied",
  "bad_token",
  "bad_request",
  "not_found",
  "no_session",
  "unknown",
] as const;
export type State = (typeof STATES)[number];

/** The four things a purchase may ask the edge for. */
export type Request = "lobby" | "entry" | "buy" | "status";

/** A purchase. Plain data: it is stored, and told to other tabs, as it is. */
export interface Machine {
  state: State;
  /** Where to go on once he is let in: an entry token lives shorter than a place or an order. */
  resume: State;
  /** Why it is not going on right now (busy, offline, not_started, …); null when it is. */
  hindrance: string | null;
  /** Idempotency key: the same for every repeat, so that all of them are one reservation. */
  key: string;
  /** A purchase with this key was sent and may have been taken, though nobody said so. */
  is_unanswered: boolean;
  /** The purchase under way repeats such a one: it says so (header Purchase-Retry). */
  is_repeat: boolean;
  /** How long to wait before the next request. */
  wait_ms: number;
  /** Passing refusals in a row: what the waiting grows with. */
  failures: number;
  /** Refused tokens in a row: a new one is fetched once, a second refusal is the end. */
  refused: number;
  /** Answers to the human check that did not satisfy, since he was last let in. */
  checks: number;
  entry_token: string | null;
  buy_url: string | null;
  ticket: string | null;
  bucket: string | null;
  place: number | null;
  /** The farthest place he was told, for showing how far he has come. */
  first_place: number | null;
  eta_ms: number | null;
  lobby_number: number | null;
  /** Hash of the draw's seed, told before the start. */
  commit: string | null;
  reservation_id: string | null;
  status_url: string | null;
  order: string | null;
  pay_by_ms: number | null;
  /** He has begun to pay: of an order that has expired, money may still be on its way. */
  is_paying: boolean;
  reason: string | null;
  /** The sale is over and tells no more of a known order: what was last known of it stays. */
  is_closed: boolean;
  /** What the human check has to show, when the edge asks for more. */
  slider: unknown;
  /** A gateway has challenged him: only a token of who has passed the puzzle helps. */
  puzzle: boolean;
}

/** A purchase that has not begun. */
export function new_machine(key: string): Machine {
  return {
    state: "waiting",
    resume: "buying",
    hindrance: null,
    key,
    is_unanswered: false,
    is_repeat: false,
    wait_ms: 0,
    failures: 0,
    refused: 0,
    checks: 0,
    entry_token: null,
    buy_url: null,
    ticket: null,
    bucket: null,
    place: null,
    first_place: null,
    eta_ms: null,
    lobby_number: null,
    commit: null,
    reservation_id: null,
    status_url: null,
    order: null,
    pay_by_ms: null,
    is_paying: false,
    reason: null,
    is_closed: false,
    slider: null,
    puzzle: false,
  };
}

/** The entry token of before, by which he is let in again; null when he has to pass the check. */
export const renewal_of = ({ entry_token, slider }: Machine): string | null =>
  slider === null ? entry_token : null;

/** Where the shopper is, for showing: being let in again does not lose him his place or his unit. */
export function shown_state({ state, resume }: Machine): State {
  return state === "entering" && resume !== "buying" ? resume : state;
}
