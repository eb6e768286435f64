/** Boxes for days, hours, minutes and seconds. */

import { el, set_text } from "./element.ts";
import type { Messages } from "./messages.ts";

const SIZES_S = [86_400, 3600, 60, 1];

/** The boxes, and the function that fills them with the time left. */
export function countdown(words: Messages): [HTMLElement, (left_ms: number) => void] {
  const names = [words.days, words.hours, words.minutes, words.seconds];
  const numbers = names.map(() => el("b"));
  const boxes = names.map((name, index) =>
    el("div", {}, numbers[index] as Node, el("span", {}, name)),
  );
  // role=timer is not announced by itself, as it must be: it changes every second.
  const timer = el("div", { className: "countdown", role: "timer" }, ...boxes);
  const show = (left_ms: number) => {
    // Rounded up: the last second is over when it shows 00, not when it begins.
    let left_s = Math.max(0, Math.ceil(left_ms / 1000));
    for (const [index, size_s] of SIZES_S.entries()) {
      const text = String(Math.floor(left_s / size_s)).padStart(2, "0");
      left_s %= size_s;
      set_text(numbers[index] as HTMLElement, text);
    }
  };
  return [timer, show];
}
