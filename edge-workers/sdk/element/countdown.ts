/** Boxes for days, hours, minutes and seconds. */

import type { Words } from "../words/words.ts";
import { el, set_text } from "./el.ts";

const DAY_S = 86_400;
const SIZES_S = [DAY_S, 3600, 60, 1];

/** The boxes, and the function that fills them with the time left. */
export function countdown(words: Words): [HTMLElement, (left_ms: number) => void] {
  const names = [words.days, words.hours, words.minutes, words.seconds];
  const numbers = names.map(() => el("b"));
  const boxes = names.map((name, index) =>
    el("div", {}, {}, numbers[index] as Node, el("span", {}, {}, name)),
  );
  // role=timer is not announced by itself, as it must be: it changes every second.
  const timer = el("div", { className: "timer" }, { role: "timer", part: "countdown" }, ...boxes);
  const show = (left_ms: number) => {
    for (const [index, text] of digits(left_ms).entries()) {
      set_text(numbers[index] as HTMLElement, text);
    }
    // Who waits three hours looks at hours: days that are not there only take room.
    (boxes[0] as HTMLElement).hidden = left_ms < DAY_S * 1000;
  };
  return [timer, show];
}

/** Rounded up: the last second is over when it shows 00, not when it begins. */
export function digits(left_ms: number): string[] {
  let left_s = Math.max(0, Math.ceil(left_ms / 1000));
  return SIZES_S.map((size_s) => {
    const text = String(Math.floor(left_s / size_s)).padStart(2, "0");
    left_s %= size_s;
    return text;
  });
}
