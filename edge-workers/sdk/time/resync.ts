/** When to look at the server's clock again. */

import type { Clock } from "./clock.ts";

const EVERY_MS = 300_000;
/** Before the start once more, each page at another moment: together they would be a wave. */
const LAST_LOOK_MIN_MS = 10_000;
const LAST_LOOK_MAX_MS = 60_000;
const RETRY_MS = 2000;
/** The computer slept when its two clocks disagree by more than this since the last tick. */
const SLEPT_MS = 2000;

/** Keeps a clock right; `tick` is called often and returns at once. */
export class Resync {
  readonly #clock: Clock;
  readonly #last_look_ms: number;
  #due_ms = Number.NEGATIVE_INFINITY;
  #has_looked_last = false;
  #skew_ms: number | null = null;

  /** `chance` from [0, 1) spreads the pages. */
  constructor(clock: Clock, chance: number) {
    this.#clock = clock;
    this.#last_look_ms = LAST_LOOK_MIN_MS + chance * (LAST_LOOK_MAX_MS - LAST_LOOK_MIN_MS);
  }

  /** `monotonic_ms` and `wall_ms` are this computer's; `left_ms` until the start, or null. */
  tick(monotonic_ms: number, wall_ms: number, left_ms: number | null): void {
    if (this.#slept(wall_ms - monotonic_ms)) this.#due_ms = monotonic_ms;
    const is_near = left_ms !== null && left_ms > 0 && left_ms <= this.#last_look_ms;
    if (is_near && !this.#has_looked_last) {
      this.#has_looked_last = true;
      this.#due_ms = monotonic_ms;
    }
    if (monotonic_ms < this.#due_ms) return;
    this.#due_ms = monotonic_ms + EVERY_MS;
    void this.#clock.sync().then((answered) => {
      if (!answered) this.#due_ms = monotonic_ms + RETRY_MS;
    });
  }

  #slept(skew_ms: number): boolean {
    const before = this.#skew_ms;
    this.#skew_ms = skew_ms;
    return before !== null && Math.abs(skew_ms - before) > SLEPT_MS;
  }
}
