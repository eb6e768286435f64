/** The head of the page: which sale, how long still, and how far all of it can be trusted. */

import type { BoardDocument, Source } from "./document.ts";
import { el, say } from "./dom.ts";
import type { Ended } from "./feed.ts";
import type { Words } from "./words.ts";

/** Above this age a look at a source is told; a look a second and one that came late are none. */
const LATE_MS = 3_000;
/** Above this age nothing here is to be relied on, and the page looks like it. */
const LOST_MS = 10_000;

export class Head {
  readonly node: HTMLElement;
  readonly tools = el("nav", "tools");
  readonly #title = el("h1", "title");
  readonly #phase = el("span", "phase");
  readonly #countdown = el("b", "countdown");
  readonly #clock = el("span", "clock");
  readonly #age = el("span", "age");
  readonly #sources = el("span", "sources");
  readonly #words: Words;
  #document: BoardDocument | null = null;

  constructor(words: Words) {
    this.#words = words;
    this.#age.setAttribute("role", "status");
    const sale = el("div", "sale", this.#title, el("p", "when", this.#phase, " ", this.#countdown));
    const trust = el("div", "trust", this.#sources, this.#age, this.#clock);
    this.node = el("header", "head", sale, el("div", "side", this.tools, trust));
  }

  hear(document: BoardDocument): void {
    this.#document = document;
  }

  /** Several times a second, whether there is news or not. `age_ms` null: a replay, which is no age. */
  tick(now_ms: number, age_ms: number | null, is_replay: boolean): void {
    const shown = this.#document;
    if (shown === null) return;
    const { text } = this.#words;
    const [campaign] = shown.campaigns;
    say(this.#clock, this.#words.clock(now_ms));
    say(this.#title, campaign?.title ?? text.nothing);
    if (campaign) {
      const waits = now_ms < campaign.starts_ms;
      // The clock opens it; the word for it may come a second later.
      const is_open = campaign.state === "live" || campaign.state === "approved";
      const runs = !waits && now_ms < campaign.ends_ms && is_open;
      say(this.#phase, waits ? text.starts_in : runs ? text.ends_in : text.ended_at);
      const until = waits ? campaign.starts_ms : campaign.ends_ms;
      const is_over = !waits && !runs;
      say(this.#countdown, is_over ? this.#words.clock(until) : this.#words.span(until - now_ms));
    }
    this.#tell_age(is_replay ? 0 : (age_ms ?? 0), is_replay);
    const since = is_replay ? 0 : (age_ms ?? 0);
    const late = [
      this.#late("PostgreSQL", shown.sources.database, shown.at_ms, since),
      this.#late("Prometheus", shown.sources.prometheus, shown.at_ms, since),
    ];
    say(this.#sources, late.filter(Boolean).join(" · "));
  }

  /** The page cannot go on; what to do stands beside it. */
  end(why: Ended): void {
    document.body.dataset.trust = "lost";
    this.#age.dataset.trust = "lost";
    const { text } = this.#words;
    if (why === "link_over") this.#age.replaceChildren(text.link_over);
    else {
      const link = el("a", "", text.log_in) as HTMLAnchorElement;
      link.href = "/board/";
      this.#age.replaceChildren(text.logged_out, " ", link);
    }
  }

  #tell_age(age_ms: number, is_replay: boolean): void {
    const { text } = this.#words;
    const trust = age_ms > LOST_MS ? "lost" : age_ms > LATE_MS ? "late" : "live";
    document.body.dataset.trust = trust;
    this.#age.dataset.trust = is_replay ? "replay" : trust;
    const words = trust === "live" ? text.live : text.old(Math.round(age_ms / 1000));
    say(this.#age, is_replay ? text.replay : words);
  }

  #late(name: string, source: Source, at_ms: number, since_ms: number): string {
    const { text } = this.#words;
    if (source.at_ms === null) return source.error === null ? "" : text.source_never(name);
    const age_ms = at_ms - source.at_ms;
    if (age_ms <= LATE_MS) return "";
    return text.source_old(name, Math.round((age_ms + since_ms) / 1000));
  }
}
