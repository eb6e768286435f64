/** A campaign's page: gives its components their edge and a visitor, and times their zone. */

import { demo_session } from "./demo_session.ts";

for (const element of document.querySelectorAll("flash-sale")) {
  element.setAttribute("edge", location.origin);
  Object.assign(element, { session: demo_session });
}

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
