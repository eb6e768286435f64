/**
 * The claim `rs` of an entry token, 0 (trusted) … 100: the gateways' score rules compare it with
 * their `min_score`. Behaviour, and what this isolate has seen of the device and of the same trace.
 */

import { decode_trace } from "../../shared/trace.ts";
import { behaviour_score } from "./behaviour.ts";

/** From here on the puzzle is asked for. Chosen on `fixtures/traces`; the rates are in the README. */
export const SLIDER_FROM = 60;
/** What no trace costs, and what a trace costs that somebody else has shown before. */
const NO_TRACE = 70;
const COPIED = 90;
/** Shoppers that a device may have before each one more counts: a household. */
const HOUSEHOLD = 3;
const PER_SHOPPER = 10;
const SHOPPERS_MAX = 6;
/** Traces shorter than this are alike without being copied. */
const TELLING_CHARS = 48;
const SEEN_MAX = 20_000;

/** Who passed the puzzle is worth half: it can be solved by a program, with some work. */
export const after_slider = (score: number) => Math.floor(score / 2);

/** The last so many values by key; the oldest key goes first. */
class Recent<Value> {
  readonly #values = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= SEEN_MAX) return;
    const [oldest] = this.#values.keys();
    if (oldest !== undefined) this.#values.delete(oldest);
  }
}

export class RiskScore {
  readonly #shoppers_of = new Recent<readonly string[]>();
  readonly #first_owner = new Recent<string>();

  /** Judges one entry and remembers it. `trace` as it came, or null when there was none. */
  judge(trace: string | null, shopper: string, device: string): number {
    const decoded = trace === null ? null : decode_trace(trace);
    let score = decoded === null ? NO_TRACE : behaviour_score(decoded);
    if (trace !== null && trace.length >= TELLING_CHARS && this.#is_copied(trace, shopper)) {
      score = Math.max(score, COPIED);
    }
    const strangers = this.#shoppers_at(device, shopper) - HOUSEHOLD;
    return Math.min(100, score + Math.max(0, strangers) * PER_SHOPPER);
  }

  #is_copied(trace: string, shopper: string): boolean {
    const owner = this.#first_owner.get(trace);
    if (owner === undefined) this.#first_owner.set(trace, shopper);
    return owner !== undefined && owner !== shopper;
  }

  #shoppers_at(device: string, shopper: string): number {
    const known = this.#shoppers_of.get(device) ?? [];
    const all = known.includes(shopper) ? known : [...known, shopper].slice(-SHOPPERS_MAX);
    this.#shoppers_of.set(device, all);
    return all.length;
  }
}
