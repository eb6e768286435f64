/** One item of a campaign: what it is, what it costs, its button, and how the purchase goes. */

import type { Item } from "./api.ts";
import { el, set_text } from "./element.ts";
import { type Messages, NEWS_TONES, type News } from "./messages.ts";
import { buy } from "./purchase.ts";
import { this_visitor } from "./visitor.ts";

/** News after which pressing the button again would change nothing. */
const SETTLED: ReadonlySet<News> = new Set(["sold_out", "limit_reached", "ended", "denied"]);

export type Phase = "before" | "open" | "over";

function price({ price_minor, currency }: Item, language: string): string {
  const format = new Intl.NumberFormat(language, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
  });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(price_minor / 10 ** digits);
}

/** The row, and the function that lets the clock open and close its button. */
export function item_row(item: Item, words: Messages): [HTMLElement, (phase: Phase) => void] {
  const status = el("div", { className: "status", role: "status" });
  const button = el("button", { className: "wide", type: "button" });
  let phase: Phase = "before";
  let running = false;
  let news: News | null = null;
  let known = "";

  const update = () => {
    const bought = news !== null && NEWS_TONES[news] === "good";
    const settled = news !== null && SETTLED.has(news) ? words.news[news][0] : null;
    const idle = { before: words.not_yet, open: words.buy, over: words.closed }[phase];
    set_text(button, running ? words.working : bought ? words.done : (settled ?? idle));
    button.disabled = running || bought || settled !== null || phase !== "open";
  };
  const tell = (told: News, detail = "") => {
    // Saying the same twice would make a screen reader say it twice.
    if (told === news && detail === known) return;
    news = told;
    known = detail;
    const [headline, sentence] = words.news[told];
    status.className = `status ${NEWS_TONES[told]}`;
    status.replaceChildren(el("b", {}, headline), sentence.replace(/\{(order|place)\}/, detail));
  };
  button.onclick = async () => {
    running = true;
    update();
    await buy(item.id, this_visitor(), tell);
    running = false;
    update();
  };

  const facts = el(
    "div",
    { className: "facts" },
    el("span", { className: "price" }, price(item, words.language)),
    el("span", { className: "muted" }, words.units(item.units, item.limit)),
  );
  const row = el("section", { className: "item" }, el("h2", {}, item.title), facts, button, status);
  const follow_clock = (now: Phase) => {
    phase = now;
    update();
  };
  return [row, follow_clock];
}
