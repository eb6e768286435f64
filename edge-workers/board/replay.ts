/** Past sales: choose one, move through it, and back to now. */

import type { BoardDocument } from "./document.ts";
import { el, say } from "./dom.ts";
import { PastSales } from "./past_sales.ts";
import type { Words } from "./words.ts";

/** A frame is a second or more of the sale; so many are shown in a second. */
const FRAMES_PER_S = 5;

export interface ReplayOptions {
  words: Words;
  /** The slugs and names of the sales there are. */
  sales: readonly { slug: string; name: string }[];
  fetch: typeof fetch;
  show: (frames: readonly BoardDocument[], place: number) => void;
  leave: () => void;
}

/** The bar below the head. Its select is in the tools. */
export class Replay {
  readonly select = document.createElement("select");
  readonly bar = el("div", "replay");
  readonly #slider = document.createElement("input");
  readonly #play = el("button", "") as HTMLButtonElement;
  readonly #moment = el("output", "moment");
  readonly #options: ReplayOptions;
  #frames: readonly BoardDocument[] = [];
  readonly #sales: PastSales;
  #missing_ms = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#sales = new PastSales(options.fetch, options.words.text);
    const { text } = options.words;
    this.select.setAttribute("aria-label", text.replay);
    this.select.append(new Option(text.choose, ""));
    for (const { slug, name } of options.sales) this.select.append(new Option(name, slug));
    this.select.addEventListener("change", () => void this.#choose(this.select.value));
    this.#slider.type = "range";
    this.#slider.min = "0";
    this.#slider.setAttribute("aria-label", text.moment);
    this.#slider.addEventListener("input", () => this.#show());
    this.#play.addEventListener("click", () => (this.#timer === null ? this.#run() : this.#stop()));
    const back = el("button", "", text.back);
    back.addEventListener("click", () => void this.#choose(""));
    this.bar.append(this.#play, this.#slider, this.#moment, back);
    this.bar.hidden = true;
  }

  get is_on(): boolean {
    return this.#frames.length > 0;
  }

  async #choose(slug: string): Promise<void> {
    this.#stop();
    this.select.value = slug;
    const sale = await this.#sales.choose(slug);
    if (sale === null) return;
    this.#frames = sale.frames;
    this.#missing_ms = sale.missing_ms;
    this.bar.hidden = slug === "";
    if (!this.is_on) {
      say(this.#moment, sale.problem);
      this.#options.leave();
      return;
    }
    this.#slider.max = String(this.#frames.length - 1);
    this.#slider.value = "0";
    this.#run();
  }

  #run(): void {
    if (Number(this.#slider.value) >= this.#frames.length - 1) this.#slider.value = "0";
    say(this.#play, this.#options.words.text.pause);
    this.#timer = setInterval(() => {
      this.#slider.value = String(Number(this.#slider.value) + 1);
      this.#show();
      if (Number(this.#slider.value) >= this.#frames.length - 1) this.#stop();
    }, 1000 / FRAMES_PER_S);
    this.#show();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    say(this.#play, this.#options.words.text.play);
  }

  #show(): void {
    const place = Number(this.#slider.value);
    const frame = this.#frames[place];
    if (frame === undefined) return;
    const { words } = this.#options;
    const missing =
      this.#missing_ms > 0 ? ` · ${words.text.missing(Math.round(this.#missing_ms / 1000))}` : "";
    say(this.#moment, words.clock(frame.at_ms) + missing);
    this.#options.show(this.#frames.slice(0, place + 1), place);
  }
}
