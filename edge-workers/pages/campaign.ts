/** A campaign's page: gives its components their edge and a visitor, and times their zone. */

import { this_visitor } from "../storefront/visitor.ts";

/** A session of the demo shop. A real shop signs its own and has the component on its own page. */
async function demo_session(): Promise<string> {
  const { shopper } = this_visitor();
  const response = await fetch("/demo/sessions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ shopper }),
  });
  if (!response.ok) throw new Error(`no session: status ${response.status}`);
  const { session } = (await response.json()) as { session: string };
  return session;
}

for (const element of document.querySelectorAll("flash-sale")) {
  element.setAttribute("edge", location.origin);
  Object.assign(element, { session: demo_session });
}

const format = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium",
  timeStyle: "short",
});
for (const time of document.querySelectorAll("time")) {
  time.textContent = format.format(new Date(time.dateTime));
}
