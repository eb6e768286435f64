/**
 * The bundle `/sdk/flash-sale.js`: defines `<flash-sale>`. Its edge is where it was loaded from, so
 * that a page needs no more than the tag.
 */

import { flash_sale_class } from "./element/flash_sale.ts";
import css from "./element/style.css";
import type { CheckExports } from "./human_check.ts";

// Loaded when an element is there, not with the page: the check is larger than all the rest.
const load_check = () => import("sluice:check") as Promise<unknown> as Promise<CheckExports>;

if (customElements.get("flash-sale") === undefined) {
  const { origin } = new URL(import.meta.url);
  customElements.define("flash-sale", flash_sale_class(origin, css, load_check));
}
