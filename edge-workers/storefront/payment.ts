/** Paying in the demo: the demo provider pays at once, and the order hears it from the provider. */

import { ask } from "../sdk/wire/ask.ts";

/** What came of asking: on its way, not built in here, too late or paid already, or nobody knows. */
export type Payment = "started" | "unavailable" | "not_payable" | "unknown";

const CLEAR_NO: Readonly<Record<string, Payment>> = {
  not_found: "unavailable",
  not_payable: "not_payable",
};
/** A session that is refused is fetched anew once. */
const SESSIONS = 2;

/**
 * Asks the demo provider to pay. Asking again is safe: one order is paid once. Whether it is paid is
 * told by the reservation alone, never by this answer. `session` rejects while nobody answers, and gives
 * null where there is no demo.
 */
export async function pay(
  session: () => Promise<string | null>,
  reservation_id: string,
): Promise<Payment> {
  for (let tried = 0; tried < SESSIONS; tried += 1) {
    let token: string | null;
    try {
      token = await session();
    } catch {
      return "unknown";
    }
    if (token === null) return "unavailable";
    const { ok, code } = await ask("/demo/payments", { token, body: { reservation_id } });
    if (ok) return "started";
    if (code !== "bad_token") return CLEAR_NO[code] ?? "unknown";
  }
  return "unknown";
}
