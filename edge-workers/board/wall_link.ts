/** The dialog that makes a link for a wall. */

import { el } from "./dom.ts";
import type { Words } from "./words.ts";

export function wall_link(words: Words, csrf: string, ask: typeof fetch): HTMLElement[] {
  const { text } = words;
  const place = document.createElement("input");
  place.maxLength = 100;
  place.required = true;
  const hours = document.createElement("input");
  Object.assign(hours, { type: "number", min: "1", max: "168", value: "12", required: true });
  const made = el("output", "made");
  const make = el("button", "primary", text.make) as HTMLButtonElement;
  const close = el("button", "", text.close) as HTMLButtonElement;
  close.type = "button";
  const form = el(
    "form",
    "",
    el("label", "", text.place, place),
    el("label", "", text.hours, hours),
    made,
    el("p", "buttons", make, close),
  );
  const dialog = document.createElement("dialog");
  dialog.append(el("h2", "", text.wall_link), form);
  close.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send();
  });

  async function send(): Promise<void> {
    make.disabled = true;
    try {
      const answer = await ask("/board/walls/", {
        method: "POST",
        headers: { "x-csrftoken": csrf },
        body: new URLSearchParams({ place: place.value, hours: hours.value }),
      });
      const said = (await answer.json()) as { href?: string; title?: string };
      if (said.href === undefined) made.replaceChildren(`${text.failed} ${said.title ?? ""}`);
      else {
        const link = el("a", "", said.href) as HTMLAnchorElement;
        link.href = said.href;
        made.replaceChildren(link, el("small", "", text.copied));
      }
    } catch (error) {
      made.replaceChildren(`${text.failed} ${String(error)}`);
    } finally {
      make.disabled = false;
    }
  }

  const open = el("button", "", text.wall_link);
  open.addEventListener("click", () => {
    made.replaceChildren();
    dialog.showModal();
  });
  return [open, dialog];
}
