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

/** The item; "not_found" for one that is not on sale here, null when nobody answered. */
export async function read_facts(edge: string, item: number): Promise<Facts | "not_found" | null> {
  const { ok, code, body } = await ask(`${edge}/v1/items/${item}`);
  if (ok && typeof body.start_ms === "number") return body as unknown as Facts;
  return code === "not_found" ? code : null;
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
