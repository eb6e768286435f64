/** The demo shop: finds the campaign that is asked for, or asks which one. */

import { el, set_text } from "../sdk/element/el.ts";
import { backoff_ms } from "../sdk/machine/waiting.ts";
import { ask } from "../sdk/wire/ask.ts";
import { choose } from "./messages.ts";
import { type Campaign, shop } from "./shop.ts";
import { become_somebody_else } from "./visitor.ts";

const asked = new URLSearchParams(location.search);
const words = choose(asked.get("lang"), navigator.language);
const main = document.getElementById("main") as HTMLElement;

function introduction(...more: Node[]): HTMLElement {
  const input = el("input", { id: "campaign", name: "campaign", required: true });
  input.autocomplete = "off";
  const form = el(
    "form",
    { action: "/", method: "get" },
    {},
    el("label", { htmlFor: "campaign" }, {}, words.campaign_label),
    input,
    el("input", { type: "hidden", name: "lang", value: words.language }),
    el("button", { type: "submit" }, {}, words.open),
  );
  const intro = el("p", { className: "muted" }, {}, words.intro);
  return el(
    "section",
    { className: "card" },
    {},
    el("h1", {}, {}, words.intro_title),
    intro,
    form,
    ...more,
  );
}

/** Shows the campaign, asking again while the answer is one that passes. */
async function find_campaign(slug: string): Promise<void> {
  for (let failures = 0; ; failures += 1) {
    const found = await ask(`/v1/campaigns/${encodeURIComponent(slug)}`);
    if (found.ok) {
      const campaign = found.body as unknown as Campaign;
      document.title = `${campaign.title} – Sluice`;
      return main.replaceChildren(...shop(campaign, words));
    }
    if (found.code === "not_found") {
      const sorry = el("p", { className: "sorry" }, { role: "status" }, words.no_campaign);
      return main.replaceChildren(introduction(sorry));
    }
    const title = el("h1", {}, {}, words.busy_title);
    const busy = el("p", { className: "muted" }, { role: "status" }, words.busy);
    main.replaceChildren(el("section", { className: "card" }, {}, title, busy));
    const wait_ms = backoff_ms(failures, found.retry_after_ms, Math.random());
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
  }
}

/** Everything around the sale: the language of the page, and the way to the other one. */
function dress(slug: string | null): void {
  document.documentElement.lang = words.language;
  const other = document.getElementById("language") as HTMLAnchorElement;
  const query = new URLSearchParams({ lang: words.switch_to });
  if (slug !== null) query.set("campaign", slug);
  other.href = `/?${query}`;
  other.lang = words.switch_to;
  other.hreflang = words.switch_to;
  set_text(other, words.switch_name);
  set_text(document.getElementById("note") as HTMLElement, words.note);
  const somebody_else = document.getElementById("somebody-else") as HTMLButtonElement;
  set_text(somebody_else, words.somebody_else);
  somebody_else.onclick = () => {
    become_somebody_else();
    location.reload();
  };
}

const slug = asked.get("campaign");
dress(slug);
if (slug === null) main.replaceChildren(introduction());
else await find_campaign(slug);
main.ariaBusy = "false";
