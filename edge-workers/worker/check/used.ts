/**
 * What was answered already. Bounded: two generations, the older one forgotten when the younger is full.
 *
 * An isolate knows its own only. On Cloudflare the same answer may be shown once to each isolate, and
 * again after 2 × `IDS_MAX` others: what it buys is what its owner has anyway, an entry for the same
 * shopper on the same device to the same item, and only until it expires.
 */

export const IDS_MAX = 50_000;

export class Used {
  #young = new Set<string>();
  #old = new Set<string>();
  readonly #ids_max: number;

  constructor(ids_max = IDS_MAX) {
    this.#ids_max = ids_max;
  }

  /** Whether this is the first time, which it is not any more afterwards. */
  first_time(id: string): boolean {
    if (this.#young.has(id) || this.#old.has(id)) return false;
    if (this.#young.size >= this.#ids_max) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(id);
    return true;
  }
}
