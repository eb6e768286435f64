/** Who looks at this page: the same one after a reload, so that he finds the same reservation. */

import type { Visitor } from "./purchase.ts";

function lasting_id(name: string): string {
  const key = `sluice.${name}`;
  try {
    const known = localStorage.getItem(key);
    if (known !== null) return known;
    const fresh = crypto.randomUUID();
    localStorage.setItem(key, fresh);
    return fresh;
  } catch {
    // Storage may be forbidden. The page works without; a reload then makes a new visitor.
    return crypto.randomUUID();
  }
}

/** The visitor of this browser. */
export function this_visitor(): Visitor {
  return { shopper: lasting_id("shopper"), device: lasting_id("device") };
}
