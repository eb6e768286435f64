/** Tells the other tabs how the purchase stands: BroadcastChannel, else the store's own event. */

import type { Machine } from "../machine/machine.ts";
import { as_kept } from "./memory.ts";

export interface News {
  tell(machine: Machine): void;
  close(): void;
}

/** Opens the channel of that name; `hear` gets what other tabs tell. */
export function open_news(name: string, hear: (machine: Machine) => void): News {
  if (typeof BroadcastChannel === "undefined") return by_storage(name, hear);
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

/** Whoever tells has also kept it (`memory.ts`), which every other tab hears of. */
function by_storage(name: string, hear: (machine: Machine) => void): News {
  const listener = ({ key, newValue }: StorageEvent) => {
    if (key !== name || newValue === null) return;
    try {
      const kept = as_kept(JSON.parse(newValue));
      if (kept !== null) hear(kept.machine);
    } catch {}
  };
  addEventListener("storage", listener);
  return { tell: () => undefined, close: () => removeEventListener("storage", listener) };
}
