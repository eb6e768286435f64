/** Who looks at this demo shop: the same one after a reload, with a session of the demo merchant. */

import { random_id } from "../sdk/random_id.ts";
import { ask } from "../sdk/wire/ask.ts";

const KEY = "sluice.shopper";

function shopper(): string {
  try {
    const known = localStorage.getItem(KEY);
    if (known !== null) return known;
    const fresh = random_id();
    localStorage.setItem(KEY, fresh);
    return fresh;
  } catch {
    // Storage may be forbidden. The page works without; a reload then makes a new visitor.
    return random_id();
  }
}

/** Forgets who this is: the next page is somebody else's. */
export function become_somebody_else(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {}
}

/** A session; null where the demo is switched off. Rejects while nobody answers. */
export async function demo_session(): Promise<string | null> {
  const { ok, code, body } = await ask("/demo/sessions", { body: { shopper: shopper() } });
  if (ok && typeof body.session === "string") return body.session;
  if (code === "not_found") return null;
  throw new Error(`no session: ${code}`);
}
