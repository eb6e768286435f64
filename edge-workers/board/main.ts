/** `/board/`: the live board. One document a second, shown by panels; or the frames of a past sale. */

import { Chart, latency_lines, rate_lines } from "./charts.ts";
import { type BoardDocument, VERSION } from "./document.ts";
import { el } from "./dom.ts";
import { Feed } from "./feed.ts";
import { Head } from "./head.ts";
import {
  alerts_panel,
  headline_panel,
  machines_panel,
  pipeline_panel,
  switches_panel,
} from "./machine_panels.ts";
import {
  conservation_panel,
  funnel_panel,
  items_panel,
  queue_panel,
  refusals_panel,
} from "./panels.ts";
import { Replay } from "./replay.ts";
import { wall_link } from "./wall_link.ts";
import { Words } from "./words.ts";

const TICK_MS = 250;
const THEME = "sluice.board.theme";

const root = document.querySelector("#board") as HTMLElement;
const { kind, pass, language, share } = root.dataset as Record<string, string>;
const words = new Words(language ?? "en");
const ask: typeof fetch = (input, init) => fetch(input, init);
document.body.dataset.kind = kind;
/** A wall's stands behind the `#` of its address, which no server sees. */
const first_pass = kind === "wall" ? location.hash.slice(1) : (pass ?? "");

const head = new Head(words);
const large = el("div", "large");
const grid = el("div", "grid");
const rates = el("div", "chart");
const latencies = el("div", "chart");

const panels = [headline_panel(large, words), items_panel(large, words), funnel_panel(grid, words)];
grid.append(
  el("section", "panel rates", el("h2", "", words.text.rates), rates),
  el("section", "panel latencies", el("h2", "", words.text.latencies), latencies),
);
panels.push(
  conservation_panel(grid, words),
  refusals_panel(grid, words),
  queue_panel(grid, words),
  pipeline_panel(grid, words),
  alerts_panel(grid, words),
  switches_panel(grid, words),
  machines_panel(grid, words),
);
const charts = [
  new Chart(rates, rate_lines(words), words),
  new Chart(latencies, latency_lines(words), words),
];

let shown: BoardDocument | null = null;

function show(news: BoardDocument): void {
  shown = news;
  head.hear(news);
  for (const panel of panels) panel(news);
}

const feed = new Feed({
  kind: kind === "wall" ? "wall" : "staff",
  first_pass,
  fetch: ask,
  clock: () => performance.now(),
  news(news) {
    if (news.version !== VERSION) return location.reload();
    if (replay.is_on) return;
    show(news);
    for (const chart of charts) chart.add(news);
  },
  ended(why) {
    clearInterval(ticking);
    head.end(why);
  },
});

/** The last minutes of now, from Prometheus; what comes later is added as it comes. */
async function begin_charts(): Promise<void> {
  const history = await feed.history();
  if (history !== null && !replay.is_on) for (const chart of charts) chart.begin(history);
}

const replay = new Replay({
  words,
  sales: [...document.querySelectorAll<HTMLElement>("#replays li")].map((sale) => ({
    slug: sale.dataset.slug ?? "",
    name: sale.textContent ?? "",
  })),
  fetch: ask,
  show(frames, place) {
    const frame = frames[place];
    if (frame === undefined) return;
    show(frame);
    for (const chart of charts) chart.show(frames);
  },
  leave() {
    for (const chart of charts) chart.show([]);
    void begin_charts();
  },
});

function tick(): void {
  if (replay.is_on && shown !== null) head.tick(shown.at_ms, null, true);
  else head.tick(feed.now_ms(), feed.age_ms(), false);
}

/** The system's scheme, unless somebody has chosen the other one here. */
function choose_theme(theme: string | null): void {
  if (theme === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const chart of charts) chart.recolour();
}

const is_dark = matchMedia("(prefers-color-scheme: dark)");
const theme_button = el("button", "icon", "◐");
theme_button.title = words.text.theme;
theme_button.setAttribute("aria-label", words.text.theme);
theme_button.addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? (is_dark.matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, next);
  choose_theme(next);
});
is_dark.addEventListener("change", () => choose_theme(localStorage.getItem(THEME)));

if (kind === "staff") {
  head.tools.append(replay.select);
  const csrf = document.querySelector<HTMLInputElement>("#csrf input")?.value ?? "";
  if (share === "1") head.tools.append(...wall_link(words, csrf, ask));
}
head.tools.append(theme_button);
root.replaceChildren(head.node, replay.bar, large, grid);
choose_theme(localStorage.getItem(THEME));

const ticking = setInterval(tick, TICK_MS);
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
void begin_charts();
void feed.run(() => document.hidden, sleep);
