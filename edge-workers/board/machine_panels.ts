/** The panels of who runs the machines: figures, processes, switches, alerts. */

import type { BoardDocument } from "./document.ts";
import { el, keep, part, say } from "./dom.ts";
import type { Panel } from "./panels.ts";
import type { Words } from "./words.ts";

interface Figure {
  label: string;
  value: (document: BoardDocument) => string;
  is_bad?: (document: BoardDocument) => boolean;
}

function show_figures(list: Element, figures: readonly Figure[], document: BoardDocument): void {
  keep(
    list,
    figures,
    (figure) => figure.label,
    (figure) => el("div", "figure", el("b", "value"), el("span", "label", figure.label)),
    (node, figure) => {
      say(part(node, "value"), figure.value(document));
      node.classList.toggle("bad", figure.is_bad?.(document) ?? false);
    },
  );
}

/** The large figures of the head: what one reads from across the room. */
export function headline_panel(place: Element, words: Words): Panel {
  const { text } = words;
  const list = el("div", "headline");
  place.append(list);
  const per_s = (stage: string) => (document: BoardDocument) =>
    words.rate(document.funnel.find((one) => one.stage === stage)?.per_s);
  const figures: Figure[] = [
    { label: `${text.clicks} ${text.per_s}`, value: per_s("buy") },
    { label: `${text.reservations} ${text.per_s}`, value: per_s("reserved") },
    { label: `${text.orders} ${text.per_s}`, value: per_s("confirmed") },
    { label: text.reserve_latency, value: ({ figures }) => words.latency(figures.exchange_p99) },
    { label: text.confirm_latency, value: ({ figures }) => words.latency(figures.confirm_p99) },
    { label: text.batch, value: ({ figures }) => words.rate(figures.batch_size) },
  ];
  return (document) => show_figures(list, figures, document);
}

/** From Redis to the order, and what did not get there. */
export function pipeline_panel(place: Element, words: Words): Panel {
  const { text } = words;
  const list = el("div", "figures");
  place.append(el("section", "panel pipeline", el("h2", "", text.pipeline), list));
  const above = (name: string, most: number) => (document: BoardDocument) =>
    (document.figures[name] ?? 0) > most;
  const count = (name: string) => (document: BoardDocument) => words.count(document.figures[name]);
  const figures: Figure[] = [
    { label: text.kafka_lag, value: count("kafka_lag"), is_bad: above("kafka_lag", 20_000) },
    {
      label: text.undecided,
      value: ({ figures }) => words.latency(figures.relay_undecided),
      is_bad: above("relay_undecided", 60),
    },
    {
      label: text.dead_letters,
      value: count("dead_letters_waiting"),
      is_bad: above("dead_letters_waiting", 0),
    },
    {
      label: text.exceptions,
      value: count("exception_orders"),
      is_bad: above("exception_orders", 0),
    },
    {
      label: text.unanswered,
      value: count("orders_unanswered"),
      is_bad: above("orders_unanswered", 0),
    },
    {
      label: `${text.errors} ${text.per_s}`,
      value: ({ figures }) => words.rate(figures.redis_errors),
      is_bad: above("redis_errors", 0),
    },
  ];
  return (document) => show_figures(list, figures, document);
}

/** Every process: one dot, its name, and what is wrong. */
export function machines_panel(place: Element, words: Words): Panel {
  const list = el("div", "machines-list");
  place.append(el("section", "panel machines", el("h2", "", words.text.machines), list));
  return ({ processes }) =>
    keep(
      list,
      processes,
      ({ name }) => name,
      ({ name }) =>
        el("span", "machine", el("i", "dot"), el("span", "", name), el("small", "word")),
      (node, { health }) => {
        const { text } = words;
        node.dataset.health = health === 1 ? "works" : health > 0 ? "waits" : "silent";
        say(part(node, "word"), health === 1 ? "" : health > 0 ? text.waits : text.silent);
        node.title = health === 1 ? text.works : "";
      },
    );
}

/** What is not as usual, and until when. */
export function switches_panel(place: Element, words: Words): Panel {
  const { text } = words;
  const list = el("ul", "lines");
  const none = el("p", "quiet", text.no_switches);
  place.append(el("section", "panel switches", el("h2", "", text.switches), list, none));
  return ({ switches }) => {
    none.hidden = switches.length > 0;
    keep(
      list,
      switches.slice(0, 8),
      (one) => `${one.name} ${one.scope} ${one.of ?? ""}`,
      (one) => el("li", "", el("b", "", one.name), " ", el("em", "value"), el("small", "why")),
      (row, one) => {
        say(part(row, "value"), one.of ? `${one.value} · ${one.of}` : one.value);
        const until = one.until_ms ? text.until(words.clock(one.until_ms)) : "";
        say(part(row, "why"), [one.reason, one.by, until].filter(Boolean).join(" · "));
      },
    );
  };
}

/** What fires: P1 first, with what to do. */
export function alerts_panel(place: Element, words: Words): Panel {
  const { text } = words;
  const list = el("ul", "lines");
  list.setAttribute("aria-live", "polite");
  const none = el("p", "quiet", text.no_alerts);
  const panel = el("section", "panel alerts", el("h2", "", text.alerts), list, none);
  place.append(panel);
  return ({ alerts }) => {
    none.hidden = alerts.length > 0;
    panel.classList.toggle(
      "wakes",
      alerts.some((alert) => alert.severity === "P1"),
    );
    keep(
      list,
      alerts.slice(0, 6),
      (alert) => `${alert.name} ${alert.since_ms} ${alert.summary}`,
      (alert) =>
        el(
          "li",
          alert.severity.toLowerCase(),
          el("b", "severity", alert.severity),
          el("span", "", alert.summary),
          el("small", "", `${alert.name} · ${words.clock(alert.since_ms)} · ${alert.action}`),
        ),
      () => undefined,
    );
  };
}
