/**
 * One tab at a time: whoever holds the turn sends the requests of a purchase, the others look on.
 *
 * Web Locks where there are any; they end with their tab. Without them a lease in the store.
 */

import { random_id } from "../random_id.ts";
import { leased_turn } from "./lease.ts";
import type { Store } from "./memory.ts";

/** Runs `work` while nobody else holds the turn of that name. Rejects when `signal` is aborted first. */
export type Turn = (name: string, work: () => Promise<void>, signal: AbortSignal) => Promise<void>;

/** The best that this browser has. */
export function best_turn(store: Store): Turn {
  const { locks } = navigator as { locks?: LockManager };
  const lease = leased_turn(store, { id: random_id() });
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
