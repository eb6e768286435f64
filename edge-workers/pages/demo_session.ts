/** A session of the demo shop. A real shop signs its own and has the component on its own page. */

// The storefront's: the same visitor on both pages finds the same reservation.
const KEY = "sluice.shopper";

function shopper(): string {
  try {
    const known = localStorage.getItem(KEY);
    if (known !== null) return known;
    const fresh = crypto.randomUUID();
    localStorage.setItem(KEY, fresh);
    return fresh;
  } catch {
    // Storage may be forbidden. The page works without; a reload then makes a new visitor.
    return crypto.randomUUID();
  }
}

/** Asks for one; rejects when there is no demo here, or no answer. */
export async function demo_session(): Promise<string> {
  const response = await fetch("/demo/sessions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ shopper: shopper() }),
  });
  if (!response.ok) throw new Error(`no session: status ${response.status}`);
  const { session } = (await response.json()) as { session: string };
  return session;
}
