/** When to look at the server's clock again. */

import { backoff_ms } from "../machine/waiting.ts";
import type { Clock } from "./clock.ts";

const EVERY_MS = 300_000;
/** Before the start once more, each page at another moment: together they would be a wave. */
const LAST_LOOK_MIN_MS = 10_000;
const LAST_LOOK_MAX_MS = 60_000;
/** The computer slept when its two clocks disagree by more than this since the last tick. */
const SLEPT_MS = 2000;

/** Keeps a clock right; `tick` is called often and returns at once. */
export class Resync {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #last_look_ms: number;
  #now_ms = 0;
  #failures = 0;
  #due_ms = Number.NEGATIVE_INFINITY;
  #has_looked_last = false;
  #skew_ms: number | null = null;

  /** `random` from [0, 1) spreads the pages. */
  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
    this.#last_look_ms = LAST_LOOK_MIN_MS + random() * (LAST_LOOK_MAX_MS - LAST_LOOK_MIN_MS);
  }

  /** `monotonic_ms` and `wall_ms` are this computer's; `left_ms` until the start, or null. */
  tick(monotonic_ms: number, wall_ms: number, left_ms: number | null): void {
    this.#now_ms = monotonic_ms;
    if (this.#slept(wall_ms - monotonic_ms)) this.#due_ms = monotonic_ms;
    const is_near = left_ms !== null && left_ms > 0 && left_ms <= this.#last_look_ms;
    if (is_near && !this.#has_looked_last) {
      this.#has_looked_last = true;
      this.#due_ms = monotonic_ms;
    }
    if (monotonic_ms < this.#due_ms) return;
    this.#due_ms = monotonic_ms + EVERY_MS;
    void this.#clock.sync().then((answered) => {
      if (answered) this.#failures = 0;
      // From now on, not from when it was asked: who gives no answer takes seconds to give none.
      else this.#due_ms = this.#now_ms + backoff_ms(this.#failures++, null, this.#random());
    });
  }

  #slept(skew_ms: number): boolean {
    const before = this.#skew_ms;
    this.#skew_ms = skew_ms;
    return before !== null && Math.abs(skew_ms - before) > SLEPT_MS;
  }
}
