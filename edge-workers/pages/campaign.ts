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
for (const time of document.querySelectorAll("time")) {
  time.textContent = format.format(new Date(time.dateTime));
}
