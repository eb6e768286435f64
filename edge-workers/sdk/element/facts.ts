/** What is public about an item: `GET /v1/items/{item}`. */

import { ask } from "../wire/ask.ts";

export interface Facts {
  id: number;
  title: string;
  price_minor: number;
  currency: string;
  units: number;
  limit: number;
  /** What the edge has heard a moment ago; null when nobody has bought lately. */
  stock: "selling" | "sold_out" | null;
  state: "approved" | "live" | "ended";
  start_ms: number;
  end_ms: number;
  /** Null without a queue. */
  queue: { mode: "fifo" | "draw"; opens_ms: number } | null;
}

/** What was answered: the item, or a refusal's code (`not_found` for one that is not on sale here). */
export interface Found {
  facts: Facts | null;
  code: string;
  retry_after_ms: number | null;
}

/** Asks for the item. */
export async function read_facts(edge: string, item: number): Promise<Found> {
  const { ok, code, body, retry_after_ms } = await ask(`${edge}/v1/items/${item}`);
  const is_whole = ok && typeof body.start_ms === "number";
  return { facts: is_whole ? (body as unknown as Facts) : null, code, retry_after_ms };
}

/** A price as people of that language write it. */
export function money(minor: number, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
  });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(minor / 10 ** digits);
}
