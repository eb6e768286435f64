/** The counter a shopper stands at: session, purchase and human check of one element. */

import { type CheckExports, PreparedCheck } from "../human_check.ts";
import { type Machine, new_machine } from "../machine/machine.ts";
import { backoff_ms } from "../machine/waiting.ts";
import { open_purchase, pause } from "../open_purchase.ts";
import type { Purchase } from "../purchase.ts";
import { best_store, knows_item } from "../tabs/memory.ts";
import { lasting_device, type SessionSource, shopper_of, Visit } from "../visit.ts";
import { NO_ANSWER, OFFLINE } from "../wire/ask.ts";
import { Traces } from "../wire/trace.ts";
import { within } from "../within.ts";

export type LoadCheck = () => Promise<CheckExports>;

export interface CounterOptions {
  edge: string;
  item: number;
  lang: "en" | "zh";
  session: () => SessionSource;
  check_host: HTMLElement;
  load_check: LoadCheck;
  on_change: (machine: Machine) => void;
}

export class Counter {
  readonly #options: CounterOptions;
  readonly #visit: Visit;
  readonly #check: PreparedCheck;
  readonly #left = new AbortController();
  #module: ReturnType<LoadCheck> | null = null;
  #stop_watching: (() => void) | null = null;
  #purchase: Purchase | null = null;
  #is_opening = false;
  /** What is shown while there is no purchase yet. */
  #idle: Machine = new_machine("none");

  constructor(options: CounterOptions) {
    this.#options = options;
    this.#visit = new Visit(options.session);
    this.#check = new PreparedCheck((session, slider, signal) =>
      this.#solve(session, slider, signal),
    );
  }

  get machine(): Machine {
    return this.#purchase?.machine ?? this.#idle;
  }

  get has_turn(): boolean {
    return this.#purchase?.has_turn ?? false;
  }

  /** Begins to watch for a human, and goes on with a purchase that was begun before the reload. */
  arrive(): void {
    const begin = ({ watch }: CheckExports) => {
      if (watch !== undefined && !this.#left.signal.aborted) this.#stop_watching = watch(document);
    };
    this.#load().then(begin, () => undefined);
    const { edge, item } = this.#options;
    if (knows_item(best_store().store, edge, item))
      void this.#open((purchase) => purchase.resume());
  }

  /** Solves the check ahead of time, once. */
  async prepare(): Promise<void> {
    try {
      const { solve } = await this.#load();
      if (solve === undefined) return;
      const session = await this.#visit.session();
      if (session !== null) this.#check.prepare(session, this.#left.signal);
    } catch {
      // The shop or the edge does not answer yet. They are asked again when it is needed.
    }
  }

  press(): void {
    void this.#open((purchase) => purchase.press());
  }

  join(): void {
    void this.#open((purchase) => purchase.join());
  }

  /** The sale has started. */
  start(): void {
    this.#purchase?.start();
  }

  /** A payment was begun, or did not come about for sure. */
  pays(has_begun: boolean): void {
    this.#purchase?.pays(has_begun);
  }

  /** Asks now how things stand. */
  hurry(): void {
    this.#purchase?.hurry();
  }

  /** The element has left the page. What was begun is kept. */
  leave(): void {
    this.#left.abort();
    this.#stop_watching?.();
    this.#purchase?.stop();
  }

  async #open(then: (purchase: Purchase) => void): Promise<void> {
    if (this.#purchase !== null) return then(this.#purchase);
    if (this.#is_opening) return;
    this.#is_opening = true;
    try {
      const session = await this.#ask_for_session();
      if (this.#left.signal.aborted) return;
      if (session === null) return this.#show_idle({ state: "no_session" });
      const { edge, item, on_change } = this.#options;
      const device = () => this.#device();
      const traces = new Traces();
      const wire = { edge, item, visit: this.#visit, device, check: this.#check, traces };
      this.#purchase = open_purchase(wire, shopper_of(session), on_change);
      on_change(this.#purchase.machine);
      then(this.#purchase);
    } finally {
      this.#is_opening = false;
    }
  }

  /** Until the shop says yes or no: that it does not answer is no reason to send him away. */
  async #ask_for_session(): Promise<string | null> {
    for (let tried = 0; ; tried += 1) {
      try {
        if (tried === 0) this.#show_idle({ state: "entering" });
        return await this.#visit.session();
      } catch {
        if (this.#left.signal.aborted) return null;
        const is_offline = !navigator.onLine;
        this.#show_idle({ state: "entering", hindrance: is_offline ? OFFLINE : NO_ANSWER });
        await pause(backoff_ms(tried, null, Math.random()), this.#left.signal, is_offline);
      }
    }
  }

  #show_idle(change: Partial<Machine>): void {
    this.#idle = { ...new_machine("none"), ...change };
    this.#options.on_change(this.#idle);
  }

  #load(): ReturnType<LoadCheck> {
    this.#module ??= within(this.#options.load_check()).catch((error: unknown) => {
      // Offline, perhaps: the next request tries again.
      this.#module = null;
      throw error;
    });
    return this.#module;
  }

  /** Without the check's code the edge is asked without a check; it says whether it needs one. */
  #exports(): Promise<CheckExports> {
    return this.#load().catch(() => ({}));
  }

  async #solve(session: string, slider: unknown, signal: AbortSignal) {
    const { solve } = await this.#exports();
    if (solve === undefined) return null;
    const { edge, item, lang, check_host: host } = this.#options;
    const task = { edge, item, session, host, lang, signal };
    return solve(slider === null ? task : { ...task, slider });
  }

  async #device(): Promise<string> {
    const { device_id } = await this.#exports();
    return device_id === undefined ? lasting_device() : device_id();
  }
}
