/** The page of one campaign: a `<flash-sale>` for each of its items. */

import { el, set_text } from "../sdk/element/el.ts";
import type { PayDetail, StateDetail } from "../sdk/element/flash_sale.ts";
import type { SessionSource } from "../sdk/visit.ts";
import { art } from "./art.ts";
import { draw_href } from "./draw_link.ts";
import type { Messages } from "./messages.ts";
import { type Payment, pay } from "./payment.ts";
import { demo_session } from "./visitor.ts";

export interface Campaign {
  slug: string;
  title: string;
  start_ms: number;
  end_ms: number;
  items: { id: number; title: string; queue?: { mode: string } }[];
}

type FlashSale = HTMLElement & {
  session: SessionSource;
  refresh: () => void;
  payment_failed: () => void;
};

/** Everything in `<main>`. */
export function shop(campaign: Campaign, words: Messages): HTMLElement[] {
  const format = new Intl.DateTimeFormat(words.language, {
    dateStyle: "medium",
    timeStyle: "short",
  });
  const when = format.formatRange(campaign.start_ms, campaign.end_ms);
  const hero = el(
    "header",
    { className: "hero" },
    {},
    el("p", { className: "eyebrow" }, {}, words.eyebrow),
    el("h1", {}, {}, campaign.title),
    el("p", { className: "muted" }, {}, when),
  );
  const cards = campaign.items.map((item) => card(item, words));
  const promises = words.promises.map(([title, text]) =>
    el("li", {}, {}, el("h2", {}, {}, title), el("p", { className: "muted" }, {}, text)),
  );
  return [
    hero,
    el("div", { className: `items of-${Math.min(cards.length, 3)}` }, {}, ...cards),
    el("ul", { className: "promises" }, {}, ...promises),
  ];
}

function card(item: Campaign["items"][number], words: Messages): HTMLElement {
  const attributes = { item: String(item.id), lang: words.language };
  const sale = el("flash-sale" as "div", {}, attributes, art(item.id)) as unknown as FlashSale;
  sale.session = demo_session;
  const note = el("p", { className: "pay-note" }, { role: "status" });
  sale.addEventListener("flash-sale-pay", (event) => {
    // Prevented: this shop pays here, on the page, and not at another address.
    event.preventDefault();
    void pay_here(sale, (event as CustomEvent<PayDetail>).detail, words, note);
  });
  if (item.queue?.mode === "draw") {
    const link = el("a", { href: draw_href(item.id, words.language) }, {}, words.check_draw);
    sale.append(el("p", {}, {}, link));
    sale.addEventListener("flash-sale-state", (event) => {
      link.href = draw_href(item.id, words.language, (event as CustomEvent<StateDetail>).detail);
    });
  }
  return el("div", { className: "item" }, {}, sale, note);
}

async function pay_here(
  sale: FlashSale,
  { reservation_id }: PayDetail,
  words: Messages,
  note: HTMLElement,
): Promise<void> {
  set_text(note, "");
  const came = await pay(demo_session, reservation_id);
  const says: Record<Payment, string> = {
    started: words.pay_started,
    unavailable: words.pay_unavailable,
    not_payable: words.pay_too_late,
    unknown: words.pay_unknown,
  };
  set_text(note, says[came]);
  // Of one that nobody answered it is not known that it failed.
  if (came === "unavailable" || came === "not_payable") sale.payment_failed();
  sale.refresh();
  const clear = ({ detail }: Event & { detail?: { state: string } }) => {
    if (detail?.state === "paid") set_text(note, "");
  };
  sale.addEventListener("flash-sale-state", clear as EventListener);
}
