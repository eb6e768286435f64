/** The pools of gateways: the main one, and a canary that gets a share of the visitors. */

import { Breaker } from "./breaker.ts";
import {
  ask_origin,
  METHODS,
  type OriginOptions,
  origin_failed,
  pass_through,
} from "./pass_through.ts";
import { in_share, visitor_id } from "./share.ts";

export interface PoolsOptions extends OriginOptions {
  clock: () => number;
}

/** How long a canary may take before a reading is asked of the main pool. A gateway answers a
 * reading in milliseconds; a purchase waits as long as it does with the main pool. */
const CANARY_READING_MS = 3_000;

/** No proxy's way to say that there is nobody behind it. `busy` (503) is a gateway's own answer. */
const NOBODY_THERE: ReadonlySet<number> = new Set([502, 504]);

/** Lives as long as the isolate: so does what it knows of the canary. */
export class GatewayPools {
  readonly #main: string;
  readonly #canary: string | null;
  readonly #options: PoolsOptions;
  readonly #breaker: Breaker;

  constructor(main: string, canary: string | null, options: PoolsOptions) {
    this.#main = main;
    this.#canary = canary;
    this.#options = options;
    this.#breaker = new Breaker(options.clock);
  }

  /** Whether there is a choice at all. */
  get has_canary(): boolean {
    return this.#canary !== null;
  }

  /**
   * Sends a request under `/v1` to one of the pools, at `percent` to the canary. With `bearer` the
   * edge speaks for the visitor, whose device that token names: he gets the pool he will buy at.
   *
   * A reading that the canary does not answer is asked of the main pool. Anything else is never sent
   * twice by the edge: the visitor hears `busy`, as he does of the main pool. A purchase could be
   * repeated safely, its reservation id is the same in both pools; but only a repeat that says so
   * (`Purchase-Retry`) is told of a unit he has won instead of "sold out", and whoever repeats is the
   * SDK. By then the breaker sends him to the main pool.
   */
  async pass(request: Request, percent: number, bearer?: string): Promise<Response> {
    const reading = request.method === "GET" || request.method === "HEAD";
    if (
      this.#canary === null ||
      !METHODS.has(request.method) ||
      !in_share(visitor_id(request, bearer), percent) ||
      !this.#breaker.allows(reading)
    ) {
      return pass_through(request, this.#main, this.#options, bearer);
    }
    if (!reading) return this.#try_once(request, this.#canary, bearer);
    const answer = await this.#try_reading(request, this.#canary);
    return answer ?? pass_through(request, this.#main, this.#options);
  }

  async #try_once(request: Request, canary: string, bearer?: string): Promise<Response> {
    try {
      const response = await ask_origin(request, canary, this.#options, { bearer });
      this.#note(!NOBODY_THERE.has(response.status), canary);
      return response;
    } catch (error) {
      this.#note(false, canary);
      throw origin_failed(request, canary, error, this.#options);
    }
  }

  /** The canary's answer, or null when it has none. */
  async #try_reading(request: Request, canary: string): Promise<Response | null> {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), CANARY_READING_MS);
    try {
      const response = await ask_origin(request, canary, this.#options, {
        given_up: patience.signal,
      });
      const answered = !NOBODY_THERE.has(response.status);
      this.#note(answered, canary);
      if (answered) return response;
      await response.body?.cancel();
    } catch {
      this.#note(false, canary);
    } finally {
      clearTimeout(timer);
    }
    return null;
  }

  #note(answered: boolean, canary: string): void {
    if (this.#breaker.note(answered)) {
      this.#options.log("error", "canary_taken_out", { origin: canary });
    }
  }
}
