/** The way to the page that checks a draw, with what this visitor was told before it. */

import type { StateDetail } from "../sdk/element/flash_sale.ts";

type Told = Pick<StateDetail, "lobby_number" | "bucket" | "commit">;

/** The address; what is behind the `#` is read by the page and sent to nobody. */
export function draw_href(item: number, language: string, told?: Told): string {
  const path = `/draw/${item}?${new URLSearchParams({ lang: language })}`;
  const known = new URLSearchParams();
  if (told != null && told.lobby_number !== null) known.set("number", String(told.lobby_number));
  if (told?.bucket != null && known.has("number")) known.set("bucket", told.bucket);
  if (told?.commit != null) known.set("commit", told.commit);
  return known.size === 0 ? path : `${path}#${known}`;
}
