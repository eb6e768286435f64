/** What the tests of the loop share: a server, the browser's storage, and any number of tabs. */

import { expect } from "vitest";
import type { Machine, Request } from "./machine/machine.ts";
import { Purchase } from "./purchase.ts";
import { Memory, passing_store, type Store } from "./tabs/memory.ts";
import type { Turn } from "./tabs/turn.ts";
import { type Answer, NO_ANSWER, silence, UNNAMED } from "./wire/ask.ts";

export const soon = () => new Promise<void>((resolve) => setImmediate(resolve));
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let round = 0; round < 5000 && !condition(); round += 1) await soon();
  expect(condition(), what).toBe(true);
}

/** One turn for all tabs, first come first served: what Web Locks do. */
function shared_turn(): Turn {
  let last: Promise<unknown> = Promise.resolve();
  return (_name, work, signal) => {
    const mine = last.then(() => (signal.aborted ? Promise.reject(signal.reason) : work()));
    last = mine.catch(() => undefined);
    return mine;
  };
}

export type Reply = (request: Request, machine: Machine) => Answer;

/** The server, the browser's storage and any number of tabs. */
export class Scene {
  readonly store: Store = passing_store();
  readonly asked: { request: Request; key: string; is_repeat: boolean; tab: number }[] = [];
  readonly waited: number[] = [];
  readonly woken: number[] = [];
  /** Waits of this length end only when they are woken. */
  endless_ms: number | null = null;
  in_flight = 0;
  most_in_flight = 0;
  /** While this waits, so does every answer. */
  gate: Promise<void> = Promise.resolve();
  reply: Reply = good_server();
  now_ms = 1;
  /** Tabs that cannot hear each other have the storage all the same. */
  is_mute = false;
  #keys = 0;
  readonly #turn: Turn;
  readonly #listeners = new Map<number, (machine: Machine) => void>();

  constructor(turn: Turn = shared_turn()) {
    this.#turn = turn;
  }

  tab(id: number): Purchase {
    return new Purchase({
      memory: new Memory(this.store, "edge", 7, "ann", () => this.now_ms),
      turn: this.#turn,
      open_news: (hear) => {
        this.#listeners.set(id, hear);
        return {
          tell: (machine) => {
            if (this.is_mute) return;
            for (const [other, listener] of this.#listeners) if (other !== id) listener(machine);
          },
          close: () => void this.#listeners.delete(id),
        };
      },
      send: (request, machine, signal) => this.#send(id, request, machine, signal),
      new_key: () => `key-${++this.#keys}`,
      random: () => 0.5,
      clock: () => this.now_ms++,
      pause: async (ms, wake) => {
        this.waited.push(ms);
        if (ms !== this.endless_ms) return soon();
        await new Promise((resolve) => wake.addEventListener("abort", resolve));
        this.woken.push(ms);
      },
      on_change: () => undefined,
    });
  }

  async #send(tab: number, request: Request, machine: Machine, signal: AbortSignal) {
    this.asked.push({ request, key: machine.key, is_repeat: machine.is_repeat, tab });
    this.in_flight += 1;
    this.most_in_flight = Math.max(this.most_in_flight, this.in_flight);
    await soon();
    await this.gate;
    this.in_flight -= 1;
    // Who has left does not hear what the server has done all the same.
    const answer = this.reply(request, machine);
    return signal.aborted ? silence(NO_ANSWER) : answer;
  }

  get purchases() {
    return this.asked.filter(({ request }) => request === "buy");
  }
}

export const ok = (code: string, body: Record<string, unknown> = {}): Answer => ({
  ok: true,
  code,
  body,
  retry_after_ms: null,
});

/** Lets in, sells one unit a key, confirms and is paid at the third look. */
export function good_server(): Reply {
  let looks = 0;
  return (request, { key }) => {
    if (request === "entry") return ok(UNNAMED, { entry_token: "e", buy_url: "/v1/items/7/k/buy" });
    const found = { reservation_id: `r-${key}`, status_url: `/v1/reservations/r-${key}` };
    if (request === "buy") return ok("reserved", found);
    looks += 1;
    return ok(looks < 3 ? "confirmed" : "paid", { order: "S1" });
  };
}
