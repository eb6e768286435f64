/**
 * How often one address, device or shopper may knock at a door of the edge.
 *
 * Counted in this isolate. On Cloudflare a visitor usually meets one location, but not always one
 * isolate of it, so the true limit is the rate times the isolates he reaches; the binding
 * `SLUICE_ENTRY_LIMITER` counts for a whole location. The exact limit is the gateways', which every
 * purchase passes: this one keeps floods from costing more than they must.
 */

import type { PlatformLimiter } from "../env/settings.ts";
import { busy, Refusal } from "../problem/problem.ts";
import type { RateLimit } from "../snapshot/document.ts";
import { Buckets, KEYS_MAX } from "./gcra.ts";
import { DIMENSIONS, type Dimension, rates_of } from "./rules.ts";
import { site_of } from "./site.ts";

export interface Knock {
  /** Null when the platform does not tell: then there is no limit for addresses. */
  address: string | null;
  device: string;
  shopper: string;
  level: string;
}

export interface DoorLimitsOptions {
  clock: () => number;
  random: () => number;
  limiter: PlatformLimiter | null;
  keys_max?: number;
}

/** One door's buckets. Each door has its own, as its rates would be halved by another's knocks. */
export class DoorLimits {
  readonly #options: DoorLimitsOptions;
  readonly #buckets: Record<Dimension, Buckets>;

  constructor(options: DoorLimitsOptions) {
    const { keys_max = KEYS_MAX } = options;
    this.#options = options;
    this.#buckets = {
      address: new Buckets(keys_max),
      device: new Buckets(keys_max),
      shopper: new Buckets(keys_max),
    };
  }

  /**
   * Lets a knock in, or throws `rate_limited` with the exact wait. What one dimension refuses costs
   * nothing in the others. `scale` is the switch `rate_limits`: 0 is no limits, also not the platform's.
   */
  async admit(knock: Knock, limits: readonly RateLimit[] | null, scale: number): Promise<void> {
    if (scale === 0) return;
    this.#charge(knock, limits, scale);
    const { limiter, random } = this.#options;
    if (limiter === null) return;
    let answer: { success: boolean };
    try {
      answer = await limiter.limit({ key: knock.shopper });
    } catch {
      // Fails open: a limiter that is away must not close the sale, and the gateway limits too.
      return;
    }
    if (!answer.success) {
      // The platform does not say how long; its periods are 10 s or a minute.
      const { retry_after_ms = 0 } = busy(random, "").details;
      throw new Refusal("rate_limited", { retry_after_ms });
    }
  }

  #charge(knock: Knock, limits: readonly RateLimit[] | null, scale: number): void {
    const rates = rates_of(limits, knock.level, scale);
    const now_ms = this.#options.clock();
    const keys: Record<Dimension, string | null> = {
      address: knock.address === null ? null : site_of(knock.address),
      device: knock.device,
      shopper: knock.shopper,
    };
    const charged: Dimension[] = [];
    for (const by of DIMENSIONS) {
      const rate = rates[by];
      const key = keys[by];
      if (rate === undefined || key === null) continue;
      const wait_ms = this.#buckets[by].charge(key, rate, now_ms);
      if (wait_ms > 0) {
        this.#give_back(charged, keys, rates);
        throw new Refusal("rate_limited", { retry_after_ms: Math.ceil(wait_ms) });
      }
      charged.push(by);
    }
  }

  #give_back(
    charged: readonly Dimension[],
    keys: Record<Dimension, string | null>,
    rates: ReturnType<typeof rates_of>,
  ): void {
    for (const by of charged) {
      const [key, rate] = [keys[by], rates[by]];
      if (key !== null && rate !== undefined) this.#buckets[by].give_back(key, rate);
    }
  }
}
