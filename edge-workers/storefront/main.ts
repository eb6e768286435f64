/** The page: shows one campaign, counts down with the server's clock, and lets one buy. */

import { ask, type Campaign, synced_clock } from "./api.ts";
import { countdown } from "./countdown.ts";
import { type Child, el, set_text } from "./element.ts";
import { item_row, type Phase } from "./item_row.ts";
import { choose, NEWS_TONES, type News } from "./messages.ts";

const TICK_MS = 100;

const asked = new URLSearchParams(location.search);
const words = choose(asked.get("lang"), navigator.language);
const main = document.getElementById("main") as HTMLElement;
const note = document.getElementById("note") as HTMLElement;

function introduction(): Child[] {
  const input = el("input", { id: "campaign", name: "campaign", required: true });
  input.autocomplete = "off";
  const form = el(
    "form",
    { action: "/", method: "get" },
    el("label", { htmlFor: "campaign" }, words.campaign_label),
    input,
    el("input", { type: "hidden", name: "lang", value: words.language }),
    el("button", { type: "submit" }, words.open),
  );
  return [el("h1", {}, words.intro_title), el("p", { className: "muted" }, words.intro), form];
}

function phase_of({ state, start_ms, end_ms }: Campaign, now_ms: number): Phase {
  if (state === "ended" || now_ms >= end_ms) return "over";
  return now_ms < start_ms ? "before" : "open";
}

function show_campaign(campaign: Campaign, clock: () => number): void {
  const phase_line = el("p", { className: "phase" });
  const [timer, show_left] = countdown(words);
  const rows = campaign.items.map((item) => item_row(item, words));
  const tick = () => {
    const now_ms = clock();
    const phase = phase_of(campaign, now_ms);
    set_text(phase_line, { before: words.starts_in, open: words.ends_in, over: words.over }[phase]);
    timer.hidden = phase === "over";
    set_text(note, phase === "over" ? "" : words.note);
    show_left((phase === "before" ? campaign.start_ms : campaign.end_ms) - now_ms);
    for (const [, follow_clock] of rows) follow_clock(phase);
  };
  tick();
  setInterval(tick, TICK_MS);
  const sections = rows.map(([row]) => row);
  main.replaceChildren(el("h1", {}, campaign.title), phase_line, timer, ...sections);
}

/** Shows the campaign, asking again while the answer is one that passes. */
async function find_campaign(slug: string): Promise<void> {
  const clock = await synced_clock();
  for (;;) {
    const found = await ask(`/v1/campaigns/${encodeURIComponent(slug)}`);
    if (found.ok) return show_campaign(found.body as unknown as Campaign, clock);
    if (found.code === "not_found") {
      const sorry = el("p", { className: "status bad", role: "status" }, words.no_campaign);
      return main.replaceChildren(...introduction(), sorry);
    }
    const [headline, sentence] =
      words.news[found.code in NEWS_TONES ? (found.code as News) : "busy"];
    main.replaceChildren(el("h1", {}, headline), el("p", { className: "muted" }, sentence));
    await new Promise((resolve) => setTimeout(resolve, found.retry_after_ms));
  }
}

/** Everything around the card: the language of the page, and the way to the other one. */
function dress(slug: string | null): void {
  document.documentElement.lang = words.language;
  const other = document.getElementById("language") as HTMLAnchorElement;
  const query = new URLSearchParams({ lang: words.switch_to });
  if (slug !== null) query.set("campaign", slug);
  other.href = `/?${query}`;
  other.lang = words.switch_to;
  other.hreflang = words.switch_to;
  set_text(other, words.switch_name);
}

const slug = asked.get("campaign");
dress(slug);
if (slug === null) main.replaceChildren(...introduction());
else await find_campaign(slug);
main.ariaBusy = "false";
