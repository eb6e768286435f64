/** A purchase with everything real: storage, tabs, timers, network. */

import type { Machine } from "./machine/machine.ts";
import { Purchase } from "./purchase.ts";
import { best_store, Memory, new_key } from "./tabs/memory.ts";
import { open_news } from "./tabs/news.ts";
import { best_turn } from "./tabs/turn.ts";
import { send, type Wire } from "./wire/send.ts";

/** Opens the purchase of one shopper; call `resume()` to go on with what was kept. */
export function open_purchase(
  wire: Wire,
  shopper: string,
  on_change: (machine: Machine) => void,
): Purchase {
  const { store, lasts } = best_store();
  const memory = new Memory(store, wire.edge, wire.item, shopper);
  return new Purchase({
    memory,
    turn: best_turn(store),
    open_news: (hear) => open_news(memory.name, hear),
    send: (request, machine, signal) => send(wire, request, machine, signal),
    new_key: () => new_key(lasts),
    random: Math.random,
    clock: Date.now,
    pause,
    on_change,
  });
}

/** Waits; ends early when woken, or when the connection is back and that was what was missing. */
export function pause(ms: number, wake: AbortSignal, is_offline: boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      wake.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (is_offline) addEventListener("online", end);
    wake.addEventListener("abort", end);
    if (wake.aborted) end();
  });
}
