/** The inside of the element: built once, painted whenever something changed. */

import type { Words } from "../words/words.ts";
import { countdown, digits } from "./countdown.ts";
import { el, set_attribute, set_text } from "./el.ts";
import { type Facts, money } from "./facts.ts";
import { Speech } from "./speech.ts";
import type { View } from "./view.ts";

export interface PanelActions {
  press: () => void;
  join: () => void;
  pay: () => void;
}

export class Panel {
  readonly root: HTMLElement;
  /** Where the human check shows what it has to. */
  readonly check_host: HTMLElement;
  readonly #words: Words;
  readonly #title = el("h3", { id: "title" }, { part: "title" });
  readonly #price = el("p", { className: "price" }, { part: "price" });
  readonly #stock = el("p", { className: "muted" }, { part: "stock" });
  readonly #phase = el("p", { className: "muted phase" }, { part: "phase" });
  readonly #timer: HTMLElement;
  readonly #show_left: (left_ms: number) => void;
  readonly #steps: HTMLElement[];
  readonly #track: HTMLElement;
  readonly #status = el("div", { className: "status", tabIndex: -1 }, { part: "status" });
  readonly #headline = el("b", {}, { part: "headline" });
  readonly #sentence = el("p", {}, { part: "sentence" });
  readonly #queue = el("div", { className: "queue" }, { part: "queue" });
  readonly #place = el("b", {}, { part: "place" });
  readonly #eta = el("span", { className: "muted" }, { part: "eta" });
  readonly #bar = el("i");
  readonly #order = el("dl", {}, { part: "order" });
  readonly #number = el("dd", {}, { part: "order-number" });
  readonly #pay_by = el("dd", { className: "clock" }, { part: "pay-by" });
  readonly #pay_by_row: HTMLElement;
  readonly #pay: HTMLButtonElement;
  readonly #button = el("button", { type: "button" }, { part: "button" });
  readonly #spoken = el("p", { className: "spoken" }, { role: "status", "aria-live": "polite" });
  #does: View["button"] = null;
  readonly #speech: Speech;

  constructor(words: Words, actions: PanelActions) {
    this.#words = words;
    this.#speech = new Speech(words.order);
    [this.#timer, this.#show_left] = countdown(words);
    this.#steps = words.steps.map((name) => el("li", {}, {}, el("span", {}, {}, name)));
    this.#track = el("ol", { className: "steps" }, { part: "steps" }, ...this.#steps);
    this.#pay = el("button", { type: "button" }, { part: "pay" }, words.pay);
    this.#pay.onclick = actions.pay;
    this.#button.onclick = () => {
      // aria-disabled and not disabled: a button that loses its focus loses the shopper's.
      if (this.#does?.does != null) actions[this.#does.does]();
    };
    this.#pay_by_row = el("div", {}, {}, el("dt", {}, {}, words.pay_within), this.#pay_by);
    this.#order.append(
      el("div", {}, {}, el("dt", {}, {}, words.order), this.#number),
      this.#pay_by_row,
    );
    this.#queue.append(this.#place, this.#eta, el("div", { className: "bar" }, {}, this.#bar));
    this.#status.append(this.#headline, this.#sentence, this.#queue, this.#order, this.#pay);
    this.check_host = el("div", { className: "check" }, { part: "check" });
    // The puzzle is gone, and the focus was in it: the news gets it, not the top of the page.
    this.check_host.addEventListener("left", () => this.#status.focus());
    this.root = this.#build();
    // Until the item is known there is nothing to say and nothing to press.
    const unknown = [this.#timer, this.#track, this.#status, this.#button, this.#pay, this.#order];
    for (const part of unknown) part.hidden = true;
  }

  #build(): HTMLElement {
    const facts = el("div", { className: "facts" }, {}, this.#price, this.#stock);
    const clock = el("div", { className: "clock-box" }, {}, this.#phase, this.#timer);
    return el(
      "section",
      { className: "card", lang: this.#words.locale },
      { part: "card", "aria-labelledby": "title" },
      el("slot", { name: "media" }),
      el(
        "div",
        { className: "body" },
        {},
        this.#title,
        facts,
        el("slot"),
        clock,
        this.#track,
        this.#status,
        this.check_host,
        this.#button,
        this.#spoken,
      ),
    );
  }

  /** Shows what the item is. */
  describe(facts: Facts): void {
    const { locale } = this.#words;
    set_text(this.#title, facts.title);
    set_text(this.#price, money(facts.price_minor, facts.currency, locale));
  }

  /** Shows that there is no such item, or nobody who knows. */
  describe_absence(sentence: string): void {
    set_text(this.#phase, sentence);
    this.#timer.hidden = true;
    for (const part of [this.#track, this.#status, this.#button]) part.hidden = true;
  }

  /** Shows a view. Called ten times a second, so it touches only what has changed. */
  paint(view: View): void {
    const focused = this.#focused();
    set_attribute(this.root, "data-state", view.state);
    set_attribute(this.root, "data-tone", view.tone);
    set_attribute(this.root, "data-phase", view.phase);
    set_text(this.#stock, view.stock);
    this.#paint_clock(view);
    this.#paint_steps(view.step);
    this.#paint_status(view);
    this.#paint_button(view.button);
    set_text(this.#spoken, this.#speech.text(view));
    // What had the focus is gone: the news that took its place gets it, not the top of the page.
    if (focused?.hidden) this.#status.focus();
  }

  #focused(): HTMLElement | null {
    const root = this.root.getRootNode() as ShadowRoot;
    const active = root.activeElement;
    return active === this.#button || active === this.#pay ? (active as HTMLElement) : null;
  }

  #paint_clock({ countdown: left, phase }: View): void {
    this.#timer.hidden = left === null;
    if (left !== null) this.#show_left(left.left_ms);
    const over = phase === "over" ? this.#words.over : "";
    set_text(this.#phase, left?.label ?? over);
    this.#phase.hidden = this.#phase.textContent === "";
  }

  #paint_steps(step: number | null): void {
    this.#track.hidden = step === null;
    for (const [index, one] of this.#steps.entries()) {
      const is_done = step !== null && index < step;
      set_attribute(one, "class", is_done ? "done" : index === step ? "now" : null);
      set_attribute(one, "aria-current", index === step ? "step" : null);
    }
  }

  #paint_status({ headline, sentence, queue, order }: View): void {
    this.#status.hidden = headline === "";
    set_text(this.#headline, headline);
    set_text(this.#sentence, sentence);
    this.#queue.hidden = queue === null || queue.place === "";
    if (queue !== null) {
      set_text(this.#place, queue.place);
      set_text(this.#eta, queue.eta);
      this.#bar.style.transform = `scaleX(${Math.max(0.02, queue.share).toFixed(3)})`;
    }
    this.#order.hidden = order === null;
    this.#pay.hidden = !order?.can_pay;
    this.#pay_by_row.hidden = order?.pay_left_ms == null;
    if (order === null) return;
    set_text(this.#number, order.number);
    const left = digits(order.pay_left_ms ?? 0).slice(1);
    set_text(this.#pay_by, (left[0] === "00" ? left.slice(1) : left).join(":"));
  }

  #paint_button(button: View["button"]): void {
    this.#does = button;
    this.#button.hidden = button === null;
    if (button === null) return;
    set_text(this.#button, button.text);
    set_attribute(this.#button, "aria-disabled", button.does === null ? "true" : null);
  }
}
