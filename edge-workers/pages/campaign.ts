/** A campaign's page: gives its components their edge and a visitor, and times their zone. */

import type { PayDetail } from "../sdk/element/flash_sale.ts";
import type { SessionSource } from "../sdk/visit.ts";
import { choose } from "../storefront/messages.ts";
import { type Payment, pay } from "../storefront/payment.ts";
import { demo_session } from "../storefront/visitor.ts";

type FlashSale = HTMLElement & {
  session: SessionSource;
  refresh: () => void;
  payment_failed: () => void;
};

const words = choose(document.documentElement.lang, "");
const SAYS: Record<Payment, string> = {
  started: words.pay_started,
  unavailable: words.pay_unavailable,
  not_payable: words.pay_too_late,
  unknown: words.pay_unknown,
};

/** Without an address of the shop's own the demo provider takes the money, on this page. */
function pays_here(sale: FlashSale): void {
  const note = document.createElement("p");
  note.className = "pay-note";
  note.setAttribute("role", "status");
  sale.after(note);
  sale.addEventListener("flash-sale-pay", async (event) => {
    event.preventDefault();
    note.textContent = "";
    const { reservation_id } = (event as CustomEvent<PayDetail>).detail;
    const came = await pay(demo_session, reservation_id);
    note.textContent = SAYS[came];
    // Of one that nobody answered it is not known that it failed.
    if (came === "unavailable" || came === "not_payable") sale.payment_failed();
    sale.refresh();
  });
  sale.addEventListener("flash-sale-state", (event) => {
    const { state } = (event as CustomEvent<{ state: string }>).detail;
    if (state === "paid") note.textContent = "";
  });
}

/** The way into the shop stands in the page for everybody. Who can buy here does not need it. */
async function one_way_to_buy(): Promise<void> {
  const ways = document.querySelectorAll(".to-shop");
  if (ways.length === 0) return;
  const session = await demo_session();
  if (session === null) document.body.classList.add("without-session");
  else for (const way of ways) way.remove();
}

for (const sale of document.querySelectorAll<FlashSale>("flash-sale")) {
  sale.setAttribute("edge", location.origin);
  sale.session = demo_session;
  if (!sale.hasAttribute("pay-href")) pays_here(sale);
}
// No answer: nobody knows, so both ways stay.
one_way_to_buy().catch(() => undefined);

const format = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium",
  timeStyle: "short",
});
const phase = document.querySelector(".phase");
const [start, end] = document.querySelectorAll<HTMLTimeElement>(".phase time");
if (phase !== null && start !== undefined && end !== undefined) {
  // Says the day once when both are on it.
  const range = format.formatRange(new Date(start.dateTime), new Date(end.dateTime));
  phase.textContent = range;
}
