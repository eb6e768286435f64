/** `<flash-sale item="7" edge="https://…" lang="en|zh">`: one item of a sale in anybody's page. */

import { type Machine, new_machine } from "../machine/machine.ts";
import { backoff_ms } from "../machine/waiting.ts";
import { shared_clock } from "../time/shared.ts";
import type { SessionSource } from "../visit.ts";
import { en } from "../words/en.ts";
import { choose_words } from "../words/index.ts";
import type { Words } from "../words/words.ts";
import { Counter, type LoadCheck } from "./counter.ts";
import { type Facts, read_facts } from "./facts.ts";
import { Panel } from "./panel.ts";
import { phase_of, view_of } from "./view.ts";

const TICK_MS = 100;
/** An item may be called off or moved; a page that only waits looks now and then. */
const FACTS_EVERY_MS = 60_000;
/** While it is sold, whoever only looks hears how the stock stands. */
const STOCK_EVERY_MS = 15_000;
/** The check begins before the start, each page at its own moment. */
const PREPARE_MIN_MS = 8000;
const PREPARE_MAX_MS = 40_000;

/** What the shopper's page hears: `flash-sale-state`. */
export interface StateDetail {
  item: number;
  state: string;
  /** Why it does not go on right now, else the same as `state`. */
  outcome: string;
  reservation_id: string | null;
  order_number: string | null;
  /** ISO 8601, or null. */
  pay_by: string | null;
  place: number | null;
  eta_ms: number | null;
  /** By which the draw can be checked: his number, in which bucket, and the seed's hash told before. */
  lobby_number: number | null;
  bucket: string | null;
  commit: string | null;
}

/** What `flash-sale-pay` tells. */
export interface PayDetail {
  order_number: string;
  reservation_id: string;
  amount_minor: number;
  currency: string;
  pay_by: string | null;
}

/** The class of the element. `default_edge` and the check come with the bundle (`index.ts`). */
export function flash_sale_class(default_edge: string, css: string, load_check: LoadCheck) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  let beginnings = 0;

  return class FlashSale extends HTMLElement {
    static readonly observedAttributes = ["item", "edge", "lang"];

    #session: SessionSource = null;
    #counter: Counter | null = null;
    #panel: Panel | null = null;
    #words: Words = en;
    /** Which beginning is the last one: words that were loaded for another are of no use. */
    #begun = 0;
    #facts: Facts | null = null;
    #facts_due_ms = 0;
    #failures = 0;
    #prepare_at_ms = PREPARE_MIN_MS + Math.random() * (PREPARE_MAX_MS - PREPARE_MIN_MS);
    #is_prepared = false;
    #is_paying = false;
    #told = "";
    #timer: ReturnType<typeof setInterval> | undefined;

    constructor() {
      super();
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
      // Set before the class was there: then it lies on the element and hides the setter.
      if (Object.hasOwn(this, "session")) {
        const early = this as { session?: SessionSource };
        const session = early.session ?? null;
        delete early.session;
        this.session = session;
      }
    }

    /** The shopper's session: the JWT, or a function that fetches one. */
    get session(): SessionSource {
      return this.#session;
    }

    set session(session: SessionSource) {
      this.#session = session;
      if (this.#begun > 0) this.#begin();
    }

    connectedCallback(): void {
      this.#begin();
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
    }

    disconnectedCallback(): void {
      clearInterval(this.#timer);
      this.#counter?.leave();
      this.#counter = null;
      this.#begun = 0;
    }

    attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
      if (this.#begun > 0 && before !== after) this.#begin();
    }

    /** Asks now how the reservation stands: after a payment, for instance. */
    refresh(): void {
      this.#counter?.hurry();
    }

    /** A payment that the page had begun did not come about, which it knows for sure. */
    payment_failed(): void {
      this.#is_paying = false;
      this.#counter?.pays(false);
      this.#tick();
    }

    get #edge(): string {
      return new URL(this.getAttribute("edge") || default_edge, document.baseURI).origin;
    }

    get #item(): number {
      return Number(this.getAttribute("item"));
    }

    /** Begins anew with the attributes and the session as they are. */
    #begin(): void {
      const root = this.closest("[lang]")?.getAttribute("lang");
      const words = choose_words(this.getAttribute("lang"), root, navigator.language);
      const begun = ++beginnings;
      this.#begun = begun;
      const sit_down = (loaded: Words) => {
        if (this.#begun === begun) this.#sit_down(loaded);
      };
      if (words instanceof Promise) void words.then(sit_down);
      else sit_down(words);
    }

    #sit_down(words: Words): void {
      this.#counter?.leave();
      this.#words = words;
      this.#facts = null;
      this.#facts_due_ms = 0;
      this.#failures = 0;
      this.#is_paying = false;
      this.#is_prepared = false;
      this.#told = "";
      const press = () => this.#counter?.press();
      const join = () => this.#counter?.join();
      this.#panel = new Panel(words, { press, join, pay: () => this.#pay() });
      this.shadowRoot?.replaceChildren(this.#panel.root);
      this.#counter = new Counter({
        edge: this.#edge,
        item: this.#item,
        lang: words.lang,
        session: () => this.#session,
        check_host: this.#panel.check_host,
        load_check,
        on_change: (machine) => this.#changed(machine),
      });
      this.#counter.arrive();
      this.#tick();
    }

    #tick(): void {
      const { clock, resync } = shared_clock(this.#edge);
      const monotonic_ms = performance.now();
      const now_ms = clock.now_ms();
      const facts = this.#facts;
      const left_ms = facts === null || now_ms === null ? null : facts.start_ms - now_ms;
      resync.tick(monotonic_ms, Date.now(), left_ms);
      if (this.#panel !== null && monotonic_ms >= this.#facts_due_ms) void this.#look();
      if (facts === null) return;
      if (
        left_ms !== null &&
        left_ms <= this.#prepare_at_ms &&
        phase_of(facts, now_ms) !== "over"
      ) {
        this.#prepare();
      }
      if (phase_of(facts, now_ms) === "open") this.#counter?.start();
      this.#paint(facts, now_ms);
    }

    #paint(facts: Facts, now_ms: number | null): void {
      const { machine, has_turn } = this.#counter ?? {
        machine: new_machine("none"),
        has_turn: false,
      };
      this.#panel?.paint(view_of(machine, facts, now_ms, this.#words, this.#is_paying, has_turn));
    }

    #prepare(): void {
      if (this.#is_prepared) return;
      this.#is_prepared = true;
      void this.#counter?.prepare();
    }

    async #look(): Promise<void> {
      // Not again while this one is under way.
      this.#facts_due_ms = Number.POSITIVE_INFINITY;
      const panel = this.#panel;
      const { facts, code, retry_after_ms } = await read_facts(this.#edge, this.#item);
      if (panel !== this.#panel || panel === null) return;
      const chance = Math.random();
      if (facts === null) {
        // An item that is not there yet may have been approved a moment ago.
        const wait_ms = backoff_ms(this.#failures++, retry_after_ms, chance);
        this.#facts_due_ms = performance.now() + wait_ms;
        if (this.#facts !== null) return;
        const { not_found, hindrances } = this.#words;
        const silence = navigator.onLine ? "no_answer" : "offline";
        const why = hindrances[code === "busy" ? code : silence];
        panel.describe_absence(code === "not_found" ? not_found : why);
        return;
      }
      this.#failures = 0;
      this.#facts_due_ms = performance.now() + this.#every_ms(facts) * (0.75 + chance / 2);
      this.#facts = facts;
      panel.describe(facts);
      this.#tick();
    }

    #every_ms(facts: Facts): number {
      const is_open = phase_of(facts, shared_clock(this.#edge).clock.now_ms()) === "open";
      const only_looks = this.#counter?.machine.state === "waiting";
      return is_open && only_looks ? STOCK_EVERY_MS : FACTS_EVERY_MS;
    }

    #changed(machine: Machine): void {
      const may_be_paid = machine.state === "confirmed" || machine.state === "expired";
      if (!may_be_paid) this.#is_paying = false;
      if (this.#facts !== null) this.#paint(this.#facts, shared_clock(this.#edge).clock.now_ms());
      const detail: StateDetail = {
        item: this.#item,
        state: machine.state,
        outcome: machine.hindrance ?? machine.state,
        reservation_id: machine.reservation_id,
        order_number: machine.order,
        pay_by: iso(machine.pay_by_ms),
        place: machine.place,
        eta_ms: machine.eta_ms,
        lobby_number: machine.lobby_number,
        bucket: machine.bucket,
        commit: machine.commit,
      };
      const told = JSON.stringify(detail);
      if (told === this.#told) return;
      this.#told = told;
      this.dispatchEvent(new CustomEvent("flash-sale-state", shown_outside(detail)));
    }

    #pay(): void {
      const machine = this.#counter?.machine;
      const facts = this.#facts;
      if (machine?.order == null || machine.reservation_id === null || facts === null) return;
      const detail: PayDetail = {
        order_number: machine.order,
        reservation_id: machine.reservation_id,
        amount_minor: facts.price_minor,
        currency: facts.currency,
        pay_by: iso(machine.pay_by_ms),
      };
      this.#counter?.pays(true);
      const event = new CustomEvent("flash-sale-pay", shown_outside(detail));
      const is_ours = this.dispatchEvent(event);
      const href = this.getAttribute("pay-href");
      if (!is_ours) {
        this.#is_paying = true;
        this.#counter?.hurry();
        this.#tick();
      } else if (href !== null) {
        location.assign(href.replaceAll("{order}", encodeURIComponent(machine.order)));
      }
    }
  };
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
const shown_outside = <Detail>(detail: Detail) => ({
  detail,
  bubbles: true,
  composed: true,
  cancelable: true,
});
