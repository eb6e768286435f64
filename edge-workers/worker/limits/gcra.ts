/**
 * GCRA (ITU-T I.371, virtual scheduling), as in `openresty/gateway/rate_limit.lua`: one time a key.
 *
 * Memory is bounded by two generations of keys: when the young one is full it becomes the old one,
 * and what was old is forgotten. Who is forgotten has his burst once more, nothing else.
 */

/** `step_ms`: what one admission costs. `span_ms`: how far ahead of now a key may be. */
export interface Rate {
  step_ms: number;
  span_ms: number;
}

/** Keys of one generation. With 40 bytes a key, some 6 MB for all buckets of an isolate's 128. */
export const KEYS_MAX = 20_000;

export class Buckets {
  /** key → TAT, the time at which its bucket is full again. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  readonly #keys_max: number;

  constructor(keys_max = KEYS_MAX) {
    this.#keys_max = keys_max;
  }

  /** Charges one admission. 0, or how long to wait in ms when there is none left: nothing is charged. */
  charge(key: string, rate: Rate, now_ms: number): number {
    const full_ms = Math.max(this.#tat(key), now_ms) + rate.step_ms;
    const wait_ms = full_ms - now_ms - rate.span_ms;
    if (wait_ms > 0) return wait_ms;
    this.#put(key, full_ms);
    return 0;
  }

  /** Takes an admission back that something else refused. */
  give_back(key: string, rate: Rate): void {
    this.#put(key, this.#tat(key) - rate.step_ms);
  }

  /** How many keys are remembered: never more than two generations. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  #tat(key: string): number {
    return this.#young.get(key) ?? this.#old.get(key) ?? Number.NEGATIVE_INFINITY;
  }

  #put(key: string, full_ms: number): void {
    if (this.#young.size >= this.#keys_max && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, full_ms);
  }
}
