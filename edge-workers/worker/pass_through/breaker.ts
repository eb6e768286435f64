/** Whether an origin is worth asking: closed, open for a pause, then one trial a pause. */

/** Failures in a row that open it. */
export const FAILURES_MAX = 3;
/** How long nobody is sent to an origin that failed, and how long apart trials are. */
export const PAUSE_MS = 10_000;

export class Breaker {
  #failures = 0;
  #trial_ms = 0;
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /**
   * Whether this request may go there. A trial costs its sender an answer when it fails, so only
   * one that can be asked again elsewhere (`repeatable`) is spent on it.
   */
  allows(repeatable: boolean): boolean {
    if (this.#failures < FAILURES_MAX) return true;
    if (!repeatable || this.#clock() < this.#trial_ms) return false;
    this.#trial_ms = this.#clock() + PAUSE_MS;
    return true;
  }

  /** What came of a request that was let through. Returns whether this opened the breaker. */
  note(answered: boolean): boolean {
    if (answered) {
      this.#failures = 0;
      return false;
    }
    this.#failures += 1;
    if (this.#failures < FAILURES_MAX) return false;
    this.#trial_ms = this.#clock() + PAUSE_MS;
    return this.#failures === FAILURES_MAX;
  }
}
