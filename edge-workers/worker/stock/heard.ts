/**
 * What this isolate has just heard of an item's stock, out of the gateway's answers to purchases that
 * pass through it: a level and never a figure, which would be wrong before it was read.
 */

/** Somebody was just given a unit, which does not say that another is left; or none is, says the gateway. */
export type StockLevel = "selling" | "sold_out";

/**
 * How long it is told on: without purchases nobody knows any more. Units go faster than they come back.
 */
const BELIEVED_MS: Readonly<Record<StockLevel, number>> = { selling: 5_000, sold_out: 15_000 };
/** A sold-out item refuses thousands a second, and all of them say the same. */
const READ_EVERY_MS = 1_000;
const BUY = /^\/v1\/items\/([1-9][0-9]{0,14})\/[\w-]+\/buy$/;

export class StockHeard {
  readonly #clock: () => number;
  readonly #heard = new Map<number, { level: StockLevel; at_ms: number }>();
  readonly #read_at_ms = new Map<number, number>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** The level of an item; null when nothing was heard lately. */
  level_of(item: number): StockLevel | null {
    const heard = this.#heard.get(item);
    if (heard === undefined) return null;
    return this.#clock() - heard.at_ms < BELIEVED_MS[heard.level] ? heard.level : null;
  }

  /** Looks at a gateway's answer, which stays unread for the visitor; what is read here, `later` waits for. */
  note(request: Request, response: Response, later: (work: Promise<unknown>) => void): void {
    if (response.status !== 200 && response.status !== 410) return;
    const item = Number(BUY.exec(new URL(request.url).pathname)?.[1]);
    if (request.method !== "POST" || Number.isNaN(item)) return;
    const at_ms = this.#clock();
    if (response.status === 200) {
      // Who repeats may hear of a unit that he has had for long.
      const is_repeat = request.headers.has("purchase-retry");
      if (!is_repeat) this.#heard.set(item, { level: "selling", at_ms });
    } else if (at_ms - (this.#read_at_ms.get(item) ?? 0) >= READ_EVERY_MS) {
      this.#read_at_ms.set(item, at_ms);
      later(this.#read(item, response.clone(), at_ms));
    }
  }

  /** 410 is also the end of the sale, or that fewer are left than somebody wanted (with a detail). */
  async #read(item: number, response: Response, at_ms: number): Promise<void> {
    try {
      const { code, detail } = (await response.json()) as Record<string, unknown>;
      const is_all = code === "sold_out" && detail === undefined;
      if (is_all) this.#heard.set(item, { level: "sold_out", at_ms });
    } catch {
      // An answer that was cut off says nothing.
    }
  }
}
