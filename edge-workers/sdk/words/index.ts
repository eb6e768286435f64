/** Which language to speak. */

import { within } from "../within.ts";
import { en } from "./en.ts";
import type { Words } from "./words.ts";

let zh: Promise<Words> | null = null;

/**
 * The first of these that says something decides; everything but Chinese is English. Chinese is loaded
 * when somebody wants it, and where it cannot be had English is better than nothing.
 */
export function choose_words(...wishes: (string | null | undefined)[]): Words | Promise<Words> {
  const wish = wishes.find((one) => one) ?? "en";
  if (!wish.toLowerCase().startsWith("zh")) return en;
  zh ??= within(import("./zh.ts")).then(
    (loaded) => loaded.zh,
    () => {
      zh = null;
      return en;
    },
  );
  return zh;
}
