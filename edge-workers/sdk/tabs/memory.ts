/**
 * What is kept of a purchase between reloads and between tabs: the machine, as it is.
 *
 * It lies in localStorage under the edge, the item and the shopper, so that two people at one
 * computer do not meet. It holds an entry token; the merchant's session is never stored.
 */

import { type Machine, new_machine } from "../machine/machine.ts";
import { TABLE } from "../machine/table.ts";
import { random_id } from "../random_id.ts";

const VERSION = 1;
const PREFIX = `sluice.purchase.${VERSION}`;

/** The part of Storage that is used. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem"> &
  Partial<Pick<Storage, "key" | "length">>;

/** A machine, and when it was kept (this computer's clock; only compared with itself). */
export interface Kept {
  machine: Machine;
  at_ms: number;
}

/** localStorage, or one that ends with the page where that is forbidden. */
export function best_store(): { store: Store; lasts: boolean } {
  try {
    const store = globalThis.localStorage;
    store.setItem(`${PREFIX}.probe`, "");
    store.removeItem(`${PREFIX}.probe`);
    return { store, lasts: true };
  } catch {
    return { store: passing_store(), lasts: false };
  }
}

/** Whether anything was kept of an item, whoever bought. */
export function knows_item(store: Store, edge: string, item: number): boolean {
  const { length } = store;
  if (length === undefined) return false;
  const beginning = [PREFIX, edge, item, ""].join(" ");
  const names = Array.from({ length }, (_, index) => store.key?.(index) ?? "");
  return names.some((name) => name.startsWith(beginning));
}

/** A store in this page's memory. */
export function passing_store(): Store {
  const values = new Map<string, string>();
  return {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => void values.set(name, value),
    removeItem: (name) => void values.delete(name),
  };
}

/** Reads and writes the machine of one purchase. */
export class Memory {
  readonly name: string;
  readonly #store: Store;
  readonly #clock: () => number;

  constructor(store: Store, edge: string, item: number, shopper: string, clock = Date.now) {
    this.name = [PREFIX, edge, item, shopper].join(" ");
    this.#store = store;
    this.#clock = clock;
  }

  /** What was kept, or null; what cannot be read was written by somebody else and counts for nothing. */
  load(): Kept | null {
    try {
      return as_kept(JSON.parse(this.#store.getItem(this.name) ?? "null"));
    } catch {
      return null;
    }
  }

  /** Keeps it. A full store is no reason to stop buying: the purchase then ends with the page. */
  save(machine: Machine): void {
    try {
      this.#store.setItem(this.name, JSON.stringify({ machine, at_ms: this.#clock() }));
    } catch {}
  }
}

/** A machine out of a text that anybody could have written, or null. */
export function as_kept(value: unknown): Kept | null {
  if (typeof value !== "object" || value === null) return null;
  const { machine, at_ms } = value as Partial<Kept>;
  if (typeof machine !== "object" || machine === null || typeof at_ms !== "number") return null;
  const { state, resume, key } = machine;
  if (!Object.hasOwn(TABLE, state) || !Object.hasOwn(TABLE, resume) || !is_key(key)) return null;
  return { machine: { ...new_machine(key), ...machine }, at_ms };
}

/** What the gateway takes as an idempotency key. */
const is_key = (key: unknown): boolean => typeof key === "string" && /^[\w-]{1,64}$/.test(key);

/** A key for a new purchase. Without storage always the same: a reload must not buy a second time. */
export function new_key(store_lasts: boolean): string {
  return store_lasts ? random_id() : "first";
}
