/**
 * One tab at a time: whoever holds the turn sends the requests of a purchase, the others look on.
 *
 * Web Locks where there are any; they end with their tab. Without them a lease in the store. Two tabs
 * that take it within the same moment both go on; then the idempotency key still makes their
 * purchases one reservation.
 */

import { random_id } from "../random_id.ts";
import type { Store } from "./memory.ts";

const LEASE_MS = 4000;
const RENEW_MS = 1000;

/** Runs `work` while nobody else holds the turn of that name. Rejects when `signal` is aborted first. */
export type Turn = (name: string, work: () => Promise<void>, signal: AbortSignal) => Promise<void>;

/** The best that this browser has. */
export function best_turn(store: Store): Turn {
  const { locks } = navigator as { locks?: LockManager };
  const lease = leased_turn(store);
  return locks === undefined ? lease : locked_turn(locks, lease);
}

/** By Web Locks, or by `otherwise` where they are there and refuse: in a frame without an origin. */
export function locked_turn(locks: Pick<LockManager, "request">, otherwise: Turn): Turn {
  return async (name, work, signal) => {
    let has_begun = false;
    const begin = () => {
      has_begun = true;
      return work();
    };
    try {
      await locks.request(name, { signal }, begin);
    } catch (error) {
      if (has_begun || signal.aborted) throw error;
      await otherwise(name, work, signal);
    }
  };
}

interface LeaseOptions {
  clock: () => number;
  id: string;
  pause: (ms: number) => Promise<void>;
}

const here = (): LeaseOptions => ({
  clock: Date.now,
  id: random_id(),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});

/** By a lease in the store: taken when it is free or was not renewed, read again before it counts. */
export function leased_turn(store: Store, options: LeaseOptions = here()): Turn {
  const { clock, id, pause } = options;
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
