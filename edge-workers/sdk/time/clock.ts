/**
 * The server's clock, as well as it can be known here.
 *
 * Of several samples the one with the smallest round trip wins: its error is at most half of that
 * (Cristian, "Probabilistic clock synchronization", 1989). It runs on `performance.now()`, so that
 * setting the computer's clock does not move it, and what it tells never goes back.
 */

import { ask } from "../wire/ask.ts";

const SAMPLES = 5;
const SAMPLE_TIMEOUT_MS = 4000;
/** How fast a computer's oscillator may be wrong: 100 ms in a quarter of an hour. */
const DRIFT_MS_PER_S = 0.1;
/** A clock that has to be held back goes at this speed until the truth has caught up. */
const SLOWEST = 0.5;

/** Where time comes from; tests turn it by hand. */
export interface TimeSource {
  /** Monotonic, ms: `performance.now`. */
  monotonic: () => number;
  /** One reading of the server, ms, or null when it did not answer. */
  read_server: () => Promise<number | null>;
}

/** Reads `GET /v1/time` of an edge. */
export function time_of(edge: string): TimeSource {
  return {
    monotonic: () => performance.now(),
    read_server: async () => {
      const { ok, body } = await ask(`${edge}/v1/time`, { timeout_ms: SAMPLE_TIMEOUT_MS });
      return ok && typeof body.now_ms === "number" ? body.now_ms : null;
    },
  };
}

interface Estimate {
  /** Server time minus monotonic time. */
  offset_ms: number;
  /** Half the round trip: the truth is not farther away. */
  error_ms: number;
  at_ms: number;
}

export class Clock {
  readonly #source: TimeSource;
  #estimate: Estimate | null = null;
  #told: { now_ms: number; at_ms: number } | null = null;
  #syncing: Promise<boolean> | null = null;

  constructor(source: TimeSource) {
    this.#source = source;
  }

  /** How far the estimate may be from the truth by now, in ms. */
  get error_ms(): number {
    const estimate = this.#estimate;
    if (estimate === null) return Number.POSITIVE_INFINITY;
    return estimate.error_ms + this.#drift_ms(estimate);
  }

  /** The server's time in ms, never less than what was told before; null while it is not known. */
  now_ms(): number | null {
    if (this.#estimate === null) return null;
    const at_ms = this.#source.monotonic();
    const truth_ms = at_ms + this.#estimate.offset_ms;
    const told = this.#told;
    const least_ms =
      told === null ? truth_ms : told.now_ms + Math.max(0, at_ms - told.at_ms) * SLOWEST;
    const now_ms = Math.max(truth_ms, least_ms);
    this.#told = { now_ms, at_ms };
    return now_ms;
  }

  /** Takes samples one after another; false when the server answered none. One sync at a time. */
  sync(): Promise<boolean> {
    this.#syncing ??= this.#sample().finally(() => {
      this.#syncing = null;
    });
    return this.#syncing;
  }

  async #sample(): Promise<boolean> {
    let best: Estimate | null = null;
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const sent_ms = this.#source.monotonic();
      const server_ms = await this.#source.read_server();
      const at_ms = this.#source.monotonic();
      const error_ms = (at_ms - sent_ms) / 2;
      // Two that nobody answered are enough to see that nobody is there.
      if (server_ms === null && best === null && sample > 0) return false;
      if (server_ms === null || (best !== null && error_ms >= best.error_ms)) continue;
      best = { offset_ms: server_ms - (sent_ms + error_ms), error_ms, at_ms };
    }
    if (best === null) return false;
    // A worse new estimate does not replace a better old one, unless time has made that the worse.
    if (this.#estimate === null || best.error_ms <= this.error_ms || !this.#agrees(best)) {
      this.#estimate = best;
    }
    return true;
  }

  #drift_ms(estimate: Estimate): number {
    return ((this.#source.monotonic() - estimate.at_ms) / 1000) * DRIFT_MS_PER_S;
  }

  /** Both cannot be right when their bounds do not touch: this computer slept, or the server moved. */
  #agrees(other: Estimate): boolean {
    const mine = this.#estimate as Estimate;
    return Math.abs(mine.offset_ms - other.offset_ms) <= this.error_ms + other.error_ms;
  }
}
