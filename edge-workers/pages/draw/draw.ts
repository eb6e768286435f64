/**
 * The page `/draw/{item}`: fetches the record of a draw, checks it and finds a shopper's place.
 *
 * `#number=12&bucket=0&commit=…` (a bucket by its place or its name) or `#ticket=…&commit=…` fills the form, and checks at once. What is
 * behind the `#` is never sent to anybody.
 */

import { el } from "../element.ts";
import {
  check_record,
  check_rows,
  type Draw,
  lines_of,
  place_of,
  read_holder,
  Wrong,
} from "./check.ts";
import { choose, filled } from "./messages.ts";

const words = choose(new URLSearchParams(location.search).get("lang"), navigator.language);
const main = document.getElementById("main") as HTMLElement;
const item = Number(/^\/draw\/(\d+)/.exec(location.pathname)?.[1]);
const given = new URLSearchParams(location.hash.slice(1));

type Tone = "info" | "good" | "bad";

function note(tone: Tone, headline: string, ...sentences: string[]): HTMLElement {
  const lines = sentences.map((sentence) => el("p", {}, sentence));
  return el(
    "div",
    { className: `status ${tone}`, role: "status" },
    el("b", {}, headline),
    ...lines,
  );
}

function fault_note(error: unknown): HTMLElement {
  if (!(error instanceof Wrong)) throw error;
  return note("bad", words.record_wrong, filled(words.faults[error.fault], error.values));
}

function introduction(): HTMLElement[] {
  const steps = words.how.map((step) => el("li", {}, step));
  return [
    el("h1", {}, words.title),
    el("p", { className: "muted" }, words.lead),
    el(
      "details",
      { className: "how", open: true },
      el("summary", {}, words.how_title),
      el("ol", {}, ...steps),
    ),
  ];
}

function show(...below: HTMLElement[]): void {
  main.replaceChildren(...introduction(), ...below);
  main.ariaBusy = "false";
}

function with_again(shown: HTMLElement): HTMLElement {
  const button = el("button", { type: "button" }, words.again);
  button.onclick = () => void start();
  shown.append(button);
  return shown;
}

/** The record, or what to show instead. No answer is "unknown", never "wrong". */
async function fetch_record(): Promise<unknown | HTMLElement> {
  try {
    const response = await fetch(`/v1/draws/${item}`);
    if (response.status === 404) return with_again(note("info", ...words.not_revealed));
    if (!response.ok) return with_again(note("info", ...words.unknown));
    return await response.json();
  } catch {
    return with_again(note("info", ...words.unknown));
  }
}

function labelled(text: string, field: HTMLElement, hint = ""): HTMLElement {
  const label = el("label", {}, text, field);
  if (hint !== "") label.append(el("span", { className: "small muted" }, hint));
  return label;
}

/** Asks for a number or ticket, and says its place. */
function place_form(record: unknown, draw: Draw): HTMLElement[] {
  const holder = el("input", { name: "holder", required: true, autocomplete: "off" });
  holder.value = given.get("ticket") ?? given.get("number") ?? "";
  const bucket = el("select", { name: "bucket" });
  bucket.append(...draw.buckets.map((name, at) => el("option", { value: String(at) }, name)));
  const named = draw.buckets.indexOf(given.get("bucket") ?? "");
  bucket.value = named >= 0 ? String(named) : (given.get("bucket") ?? "0");
  const seen = el("input", { name: "commit", autocomplete: "off", spellcheck: false });
  seen.value = given.get("commit") ?? "";
  const result = el("div", { className: "result" });
  const form = el("form", { className: "stacked" }, labelled(words.holder_label, holder));
  if (draw.buckets.length > 1) form.append(labelled(words.bucket_label, bucket));
  form.append(labelled(words.seen_label, seen, words.seen_hint));
  form.append(el("button", { type: "submit" }, words.check));
  const look = async () => {
    const commit = seen.value.trim().toLowerCase();
    try {
      const checked = await check_record(record, item, commit);
      const found = read_holder(holder.value, item, Number(bucket.value));
      const place = await place_of(checked, found);
      const size = checked.places[found.bucket]?.size ?? 0;
      const sentence = filled(place === 0 ? words.first : words.place, { ...found, place, size });
      const compared = commit === "" ? words.without_seen : words.with_seen;
      const title = filled(words.place_title, { place });
      result.replaceChildren(note("good", title, sentence, compared, words.counted));
    } catch (error) {
      result.replaceChildren(holder_note(error));
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    void look();
  };
  if (holder.value !== "") void look();
  return [form, result];
}

const TYPED: ReadonlySet<string> = new Set([
  "not_a_holder",
  "ticket_of_other_item",
  "ticket_not_of_lobby",
  "no_such_bucket",
  "no_such_number",
]);

/** What was typed may be wrong without the record being so. */
function holder_note(error: unknown): HTMLElement {
  const typed = error instanceof Wrong && TYPED.has(error.fault);
  return typed ? note("info", filled(words.faults[error.fault], error.values)) : fault_note(error);
}

/** Checks the published list, when asked. */
function whole_list(draw: Draw): HTMLElement {
  const count = draw.places.reduce((sum, { size }) => sum + size, 0);
  const button = el("button", { type: "button" }, words.rows_check);
  const said = el("div", { role: "status" });
  button.onclick = async () => {
    button.disabled = true;
    const going = el("p", { className: "muted" });
    said.replaceChildren(going);
    said.append(
      await list_verdict(draw, count, (checked) => {
        going.textContent = filled(words.rows_going, { checked, count });
      }),
    );
    going.remove();
    button.disabled = false;
  };
  const url = `/v1/draws/${item}/record.csv`;
  const download = el("a", { href: url, download: `draw-${item}.csv` }, words.download);
  return el(
    "section",
    { className: "part" },
    el("h2", {}, words.rows_title),
    el("p", { className: "muted" }, filled(words.rows_hint, { count })),
    el("p", { className: "actions" }, button, download),
    said,
  );
}

async function list_verdict(
  draw: Draw,
  count: number,
  tell: (checked: number) => void,
): Promise<HTMLElement> {
  try {
    const response = await fetch(`/v1/draws/${item}/record.csv`);
    if (!response.ok || response.body === null) return note("info", words.rows_unknown);
    await check_rows(lines_of(response.body), draw, tell);
    return note("good", filled(words.rows_right, { count }));
  } catch (error) {
    return error instanceof Wrong ? fault_note(error) : note("info", words.rows_unknown);
  }
}

function numbers(draw: Draw, record: unknown): HTMLElement {
  const { seed } = record as { seed: string };
  const term = (name: string, value: string) => [
    el("dt", {}, name),
    el("dd", {}, el("code", {}, value)),
  ];
  const list = el("dl", {}, ...term(words.commit, draw.commit), ...term(words.seed, seed));
  return el("details", {}, el("summary", {}, words.numbers), list);
}

async function start(): Promise<void> {
  if (globalThis.crypto?.subtle === undefined) return show(note("info", ...words.no_crypto));
  show(el("p", { className: "muted" }, words.loading));
  const record = await fetch_record();
  if (record instanceof HTMLElement) return show(record);
  try {
    const draw = await check_record(record, item, "");
    const count = draw.places.reduce((sum, { size }) => sum + size, 0);
    const [headline, sentence] = words.record_right;
    const right = note("good", headline, sentence, filled(words.joined, { count }));
    show(right, ...place_form(record, draw), whole_list(draw), numbers(draw, record));
  } catch (error) {
    show(fault_note(error));
  }
}

function dress(): void {
  document.documentElement.lang = words.language;
  document.title = words.title;
  const other = document.getElementById("language") as HTMLAnchorElement;
  other.href = `?lang=${words.switch_to}${location.hash}`;
  other.lang = words.switch_to;
  other.hreflang = words.switch_to;
  other.textContent = words.switch_name;
}

dress();
await start();
