/**
 * Tells the other tabs how the purchase stands. BroadcastChannel is older than the constructable style
 * sheets that the element cannot do without, so nothing stands in for it.
 */

import type { Machine } from "../machine/machine.ts";
import { as_kept } from "./memory.ts";

export interface News {
  tell(machine: Machine): void;
  close(): void;
}

/** Opens the channel of that name; `hear` gets what other tabs tell. */
export function open_news(name: string, hear: (machine: Machine) => void): News {
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => {
    const kept = as_kept(data);
    if (kept !== null) hear(kept.machine);
  };
  return {
    tell: (machine) => channel.postMessage({ machine, at_ms: 0 }),
    close: () => channel.close(),
  };
}
