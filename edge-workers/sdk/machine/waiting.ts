/** How long to wait before asking again. */

const BASE_MS = 500;
const CAP_MS = 15_000;
/** A timer takes at most 2³¹ − 1 ms and fires at once above; and plans change within the hour. */
export const LONGEST_MS = 3_600_000;
/** A draw does not ask who came first, so those in it need not come in the same millisecond. */
export const START_SPREAD_MS = 3000;
/** An order is written within a second; paying takes its time. */
const FOLLOW_BASE_MS = 700;
const FOLLOW_CAP_MS = 10_000;

/** Money that comes late does so within minutes: a bank's page that was left open, a slow callback. */
export const LOOK_EVERY_MS = 20_000;
export const LOOKS_MAX = 15;

/**
 * After a passing refusal: exponential with full jitter (a crowd that was refused together does not
 * come back together), and never before the server's own `retry_after_ms`. `chance` from [0, 1).
 */
export function backoff_ms(
  failures: number,
  retry_after_ms: number | null,
  chance: number,
): number {
  const ceiling_ms = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures, 10));
  return Math.min(Math.max(retry_after_ms ?? 0, chance * ceiling_ms), LONGEST_MS);
}

/** Before the next look at a reservation that was looked at `looks` times. */
export function follow_ms(looks: number, retry_after_ms: number | null, chance: number): number {
  const wait_ms = Math.min(FOLLOW_CAP_MS, FOLLOW_BASE_MS * 1.3 ** Math.min(looks, 30));
  return Math.min(Math.max(retry_after_ms ?? 0, wait_ms * (0.75 + 0.5 * chance)), LONGEST_MS);
}
