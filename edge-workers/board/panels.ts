/** The board's panels: each is made once and told every document. */

import type { BoardDocument, Campaign, Item, Units } from "./document.ts";
import { el, keep, part, say } from "./dom.ts";
import type { Words } from "./words.ts";

/** Something that shows a part of the document. */
export type Panel = (document: BoardDocument) => void;

function titled(title: string, area: string, ...children: (Node | string)[]): HTMLElement {
  return el("section", `panel ${area}`, el("h2", "", title), ...children);
}

/** A percentage for a bar, from 0 to 100. */
function share(part_of: number, whole: number): string {
  return `${whole > 0 ? Math.min(100, Math.max(0, (100 * part_of) / whole)) : 0}%`;
}

/** The sale that is nearest, large; the others in a line each. */
export function items_panel(place: Element, words: Words): Panel {
  const list = el("div", "items");
  const others = el("div", "others");
  place.append(el("div", "sales", list, others));
  return ({ campaigns: [first, ...rest] }) => {
    const items = first?.items.slice(0, LARGE_MAX) ?? [];
    list.classList.toggle("many", items.length > 2);
    keep(
      list,
      items,
      (item) => String(item.id),
      () => item_card(words),
      (node, item) => show_item(node, first as Campaign, item, words),
    );
    keep(
      others,
      rest.slice(0, OTHERS_MAX),
      ({ slug }) => slug,
      () => el("p", "other", el("span", "state"), el("b", "item-title"), el("span", "left-of")),
      (node, campaign) => show_other(node, campaign, words),
    );
  };
}

const LARGE_MAX = 9;
const OTHERS_MAX = 4;

function show_other(node: HTMLElement, campaign: Campaign, words: Words): void {
  const { text } = words;
  const units = campaign.items.flatMap((item) => (item.units ? [item.units] : []));
  const total = units.reduce((sum, one) => sum + one.total, 0);
  const left = units.reduce((sum, one) => sum + one.left, 0);
  const state = part(node, "state");
  state.dataset.state = campaign.state;
  say(state, text.states[campaign.state]);
  say(part(node, "item-title"), campaign.title);
  const amount = `${words.count(left)} ${text.left} ${text.of(words.count(total))}`;
  say(part(node, "left-of"), `${amount} · ${words.clock(campaign.starts_ms)}`);
}

const PARTS = ["paid", "unpaid", "reserved", "left"] as const;

function item_card({ text }: Words): HTMLElement {
  const bar = el("div", "units-bar", ...PARTS.map((name) => el("i", name)));
  const legend = el(
    "dl",
    "legend",
    ...PARTS.map((name) => el("div", name, el("dt", "", text[name]), el("dd", `n-${name}`))),
  );
  const figure = el("p", "left-figure", el("b", "left-count"), el("span", "left-of"));
  const head = el("header", "", el("h3", "item-title"), el("span", "state"), el("span", "ends"));
  return el("article", "item", head, figure, bar, legend, el("p", "shards"));
}

function show_item(node: HTMLElement, campaign: Campaign, item: Item, words: Words): void {
  const { text } = words;
  say(part(node, "item-title"), item.title);
  const { units } = item;
  const is_sold_out = campaign.state === "live" && units !== null && units.left === 0;
  const state = part(node, "state");
  state.dataset.state = is_sold_out ? "sold_out" : campaign.state;
  say(state, is_sold_out ? text.sold_out : text.states[campaign.state]);
  const ends = units && units.expired > 0 ? text.expired(words.count(units.expired)) : "";
  say(part(node, "ends"), ends);
  say(part(node, "left-count"), words.count(units?.left));
  say(
    part(node, "left-of"),
    units ? `${text.left} ${text.of(words.count(units.total))}` : text.left,
  );
  for (const name of PARTS) {
    say(part(node, `n-${name}`), words.count(units?.[name]));
    part(node, "units-bar")
      .querySelector<HTMLElement>(`.${name}`)
      ?.style.setProperty("width", share(units?.[name] ?? 0, units?.total ?? 0));
  }
  keep(
    part(node, "shards"),
    item.shards.length > 1 || item.shards.some((shard) => !shard.sells) ? item.shards : [],
    (shard) => String(shard.number),
    () => el("span", "shard"),
    (dot, shard) => {
      dot.classList.toggle("bad", !shard.sells);
      say(dot, `s${shard.number} ${words.count(shard.free)}`);
    },
  );
}

/** From the page to the money. */
export function funnel_panel(place: Element, words: Words): Panel {
  const list = el("div", "bars");
  place.append(titled(words.text.funnel, "funnel", list));
  return ({ funnel }) => {
    const most = Math.max(1, ...funnel.map((stage) => stage.total ?? 0));
    keep(
      list,
      funnel,
      (stage) => stage.stage,
      ({ stage }) => bar_row(words.text.stages[stage], stage),
      (row, stage) => show_bar(row, words, stage.total, stage.per_s, most),
    );
  };
}

function bar_row(label: string, kind: string): HTMLElement {
  return el(
    "div",
    `bar-row ${kind}`,
    el("span", "bar-label", label),
    el("span", "bar-track", el("i", "bar-fill")),
    el("b", "bar-total"),
    el("span", "bar-rate"),
  );
}

function show_bar(
  row: HTMLElement,
  words: Words,
  total: number | null,
  per_s: number | null,
  most: number,
): void {
  say(part(row, "bar-total"), words.count(total));
  say(part(row, "bar-rate"), per_s ? `${words.rate(per_s)} ${words.text.per_s}` : "");
  part(row, "bar-fill").style.setProperty("width", share(total ?? 0, most));
}

/** Why clicks came to nothing. */
export function refusals_panel(place: Element, words: Words): Panel {
  const list = el("div", "bars");
  const none = el("p", "quiet", words.text.no_refusals);
  place.append(titled(words.text.refusals, "refusals", list, none));
  return ({ refusals }) => {
    none.hidden = refusals.length > 0;
    const most = Math.max(1, ...refusals.map((one) => one.total));
    keep(
      list,
      refusals.slice(0, 8),
      (one) => one.code,
      ({ code }) => bar_row(code, "refusal"),
      (row, one) => show_bar(row, words, one.total, one.per_s, most),
    );
  };
}

/** Who waits, by bucket, and how fast they are called. */
export function queue_panel(place: Element, words: Words): Panel {
  const { text } = words;
  const list = el("div", "buckets");
  const none = el("p", "quiet", text.no_queue);
  place.append(titled(text.queue, "queue", list, none));
  return ({ campaigns }) => {
    const items = campaigns.flatMap((campaign) => campaign.items);
    const buckets = items.flatMap((item) => item.buckets.map((bucket) => ({ item, bucket })));
    none.hidden = buckets.length > 0;
    keep(
      list,
      buckets,
      ({ item, bucket }) => `${item.id} ${bucket.name}`,
      ({ bucket }) =>
        el(
          "div",
          "bucket",
          el("b", "", bucket.name),
          ...["waiting", "called", "served"].map((name) =>
            el("span", "", el("em", name), el("small", "", text[name as "waiting"])),
          ),
          el("span", "bucket-rate"),
        ),
      (row, { bucket }) => {
        say(part(row, "waiting"), words.count(bucket.waiting));
        say(part(row, "called"), words.count(bucket.outstanding));
        say(part(row, "served"), words.count(bucket.served));
        say(part(row, "bucket-rate"), `${words.rate(bucket.per_s)} ${text.per_s}`);
      },
    );
  };
}

/** I1 with its numbers, an item a line: green while it holds. */
export function conservation_panel(place: Element, words: Words): Panel {
  const list = el("div", "equations");
  const panel = titled(words.text.conservation, "conservation", list);
  place.append(panel);
  return ({ campaigns }) => {
    const [first, ...rest] = campaigns.map((campaign) =>
      campaign.items.filter((item) => item.units),
    );
    const others = (rest.flat() as Item[]).filter(({ units }) => units?.drift || units?.oversold);
    // What does not hold is shown, wherever it is.
    const items = [...others, ...(first ?? [])];
    panel.hidden = items.length === 0;
    keep(
      list,
      items.slice(0, 4),
      (item) => String(item.id),
      () => el("div", "equation", el("p", "terms"), el("p", "verdict")),
      (row, item) => show_equation(row, item.units as Units, words),
    );
  };
}

function show_equation(row: HTMLElement, units: Units, words: Words): void {
  const names = words.text.terms;
  const terms = [units.total, units.pool, units.leased, units.unpaid, units.paid];
  const is_broken = units.drift !== 0 || units.oversold > 0;
  row.classList.toggle("broken", is_broken);
  keep(
    part(row, "terms"),
    terms.map((value, place) => ({ value, name: names[place] ?? "", place })),
    ({ place }) => String(place),
    ({ name, place }) =>
      el(
        "span",
        "term",
        el("i", "", ["", is_broken ? "≠" : "=", "+", "+", "+"][place] ?? ""),
        el("b", "value"),
        el("small", "", name),
      ),
    (term, { value, place }) => {
      say(part(term, "value"), words.count(value));
      if (place === 1) say(term.firstElementChild as Element, is_broken ? "≠" : "=");
    },
  );
  say(
    part(row, "verdict"),
    is_broken ? `✗ ${words.text.drift(words.count(units.drift))}` : `✓ ${words.text.balanced}`,
  );
}
