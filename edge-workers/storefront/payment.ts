/** Paying in the demo: the demo provider pays at once, and the order hears it from the provider. */

import { ask, NO_ANSWER, OFFLINE, UNNAMED } from "../sdk/wire/ask.ts";

/** What came of asking: on its way, not built in here, or nobody knows. */
export type Payment = "started" | "unavailable" | "unknown";

/**
 * Asks the demo provider to pay. Asking again is safe: one order is paid once. Whether it is paid is
 * told by the reservation alone, never by this answer.
 */
export async function pay(session: string, reservation_id: string): Promise<Payment> {
  const body = { reservation_id };
  const { ok, code } = await ask("/demo/payments", { token: session, body });
  if (ok) return "started";
  const says_nothing = [OFFLINE, NO_ANSWER, UNNAMED, "busy", "rate_limited"].includes(code);
  return says_nothing ? "unknown" : "unavailable";
}
