/** Which language to speak. */

import { en } from "./en.ts";
import type { Words } from "./words.ts";
import { zh } from "./zh.ts";

/** The first of these that says something decides; everything but Chinese is English. */
export function choose_words(...wishes: (string | null | undefined)[]): Words {
  const wish = wishes.find((one) => one) ?? "en";
  return wish.toLowerCase().startsWith("zh") ? zh : en;
}
