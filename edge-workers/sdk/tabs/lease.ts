/**
 * The turn of one tab as a lease in the store. Two tabs that take it within the same moment both go
 * on; then the idempotency key still makes their purchases one reservation.
 */

import type { Store } from "./memory.ts";
import type { Turn } from "./turn.ts";

const LEASE_MS = 4000;
const RENEW_MS = 1000;

interface LeaseOptions {
  /** The tab's own. */
  id: string;
  clock?: () => number;
  pause?: (ms: number) => Promise<void>;
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** By a lease in the store: taken when it is free or was not renewed, read again before it counts. */
export function leased_turn(
  store: Store,
  { id, clock = Date.now, pause = wait }: LeaseOptions,
): Turn {
  const read = (slot: string): { id: string; until_ms: number } | null => {
    try {
      return JSON.parse(store.getItem(slot) ?? "null");
    } catch {
      return null;
    }
  };
  const is_mine = (slot: string) => read(slot)?.id === id;
  const renew = (slot: string) =>
    store.setItem(slot, JSON.stringify({ id, until_ms: clock() + LEASE_MS }));
  const take = async (slot: string) => {
    const held = read(slot);
    if (held !== null && held.id !== id && held.until_ms > clock()) return false;
    renew(slot);
    // The other tab that saw it free has written by now; the later writer has it.
    await pause(50);
    return is_mine(slot);
  };
  return async (name, work, signal) => {
    const slot = `${name}.turn`;
    while (!(await take(slot))) {
      if (signal.aborted) throw signal.reason;
      await pause(RENEW_MS / 2);
    }
    const timer = setInterval(() => renew(slot), RENEW_MS);
    try {
      await work();
    } finally {
      clearInterval(timer);
      if (is_mine(slot)) store.removeItem(slot);
    }
  };
}
