/** Which of the two languages a visitor reads. */

import type { Language } from "./files.ts";

// A range of RFC 9110 §12.5.4 and its weight; odd ones are passed over.
const RANGE = /^([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]+)?(?:;q=([01](?:\.[0-9]{1,3})?))?$/;

/** `?lang=` when it says one of ours, else the heaviest of Accept-Language, else English. */
export function choose_language(asked: string | undefined, accepted: string | undefined): Language {
  return ours(asked ?? "") ?? heaviest(accepted ?? "") ?? "en";
}

function heaviest(accepted: string): Language | null {
  let best: Language | null = null;
  let best_weight = 0;
  for (const range of accepted.split(",", 20)) {
    const match = RANGE.exec(range.replaceAll(" ", ""));
    const language = ours(match?.[1] ?? "");
    const weight = Number(match?.[2] ?? 1);
    if (language !== null && weight > best_weight) {
      best = language;
      best_weight = weight;
    }
  }
  return best;
}

function ours(tag: string): Language | null {
  const primary = tag.toLowerCase().split("-", 1)[0];
  return primary === "zh" || primary === "en" ? primary : null;
}
