/**
 * The trace of a purchase (W3C Trace Context): made here, where the shopper clicks, and chosen by the
 * edge at the entry. All requests of one purchase belong to it, whatever is repeated; a page that is
 * loaded again begins another.
 */

import { random_id } from "../random_id.ts";
import { type Answer, ask } from "./ask.ts";

const SPAN_DIGITS = 16;
/** After these it goes on: the purchase has not been decided. */
const UNDECIDED: ReadonlySet<string> = new Set([
  "queued",
  "busy",
  "rate_limited",
  "not_started",
  "challenge",
  "bad_token",
  "offline",
  "no_answer",
  "unnamed",
]);

class Trace {
  readonly #id = random_id();
  readonly #span = random_id().slice(0, SPAN_DIGITS);
  readonly #begun_ms = performance.now();
  #is_followed = false;
  #is_told = false;

  get headers(): { traceparent: string } {
    return { traceparent: `00-${this.#id}-${this.#span}-0${this.#is_followed ? 1 : 0}` };
  }

  /** The edge has let him in, and may have said that this purchase is followed. */
  entered({ body }: Answer): void {
    if (body.traced === true) this.#is_followed = true;
  }

  /** Tells the edge, once, how long it took until it was decided. Nothing waits for it. */
  bought(edge: string, item: number, { code }: Answer): void {
    if (!this.#is_followed || this.#is_told || UNDECIDED.has(code)) return;
    this.#is_told = true;
    const took_ms = Math.round(performance.now() - this.#begun_ms);
    void ask(`${edge}/v1/trace`, {
      body: { item, took_ms, outcome: code },
      headers: this.headers,
    });
  }
}

/** The traces of one item's purchases: one at a time, by the purchase's key. */
export class Traces {
  #last: { key: string; trace: Trace } | null = null;

  of(key: string): Trace {
    if (this.#last?.key !== key) this.#last = { key, trace: new Trace() };
    return this.#last.trace;
  }
}
