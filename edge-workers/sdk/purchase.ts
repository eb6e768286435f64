/**
 * The effect runner of a purchase: one loop that waits, asks, and steps (`machine/step.ts`).
 *
 * There is one request in flight at the most, because the loop is the only one that asks, and only
 * while it has the turn among all tabs. What is about to be sent is kept before it is sent.
 */

import type { Machine } from "./machine/machine.ts";
import { new_machine, type Request } from "./machine/machine.ts";
import { is_settled, next_request, type Signal, step } from "./machine/step.ts";
import { is_end } from "./machine/table.ts";
import type { Memory } from "./tabs/memory.ts";
import type { News } from "./tabs/news.ts";
import type { Turn } from "./tabs/turn.ts";
import { type Answer, NO_ANSWER, OFFLINE } from "./wire/ask.ts";

/** Everything a purchase takes from outside. */
export interface Surroundings {
  memory: Memory;
  turn: Turn;
  open_news: (hear: (machine: Machine) => void) => News;
  /** Sends a request of the machine as it stands; never throws. */
  send: (request: Request, machine: Machine, signal: AbortSignal) => Promise<Answer>;
  new_key: () => string;
  random: () => number;
  clock: () => number;
  /** Resolves after that time, when woken, or for who is offline when the connection is back. */
  pause: (ms: number, wake: AbortSignal, is_offline: boolean) => Promise<void>;
  on_change: (machine: Machine) => void;
}

type Deed = Exclude<Signal, { kind: "asking" } | { kind: "answer" }>;

export class Purchase {
  readonly #around: Surroundings;
  readonly #news: News;
  readonly #stopped = new AbortController();
  #machine: Machine;
  #is_running = false;
  #has_turn = false;
  #wake = new AbortController();

  /** Takes up what was kept, unless it had ended in a refusal: after a reload he may try again. */
  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
    const kept = surroundings.memory.load()?.machine;
    const stands = kept !== undefined && !is_settled(kept);
    this.#machine = stands ? kept : new_machine(surroundings.new_key());
    this.#news = surroundings.open_news((machine) => this.#hear_other_tab(machine));
  }

  get machine(): Machine {
    return this.#machine;
  }

  /** Goes on with what was kept, if there is something to do. */
  resume(): void {
    if (next_request(this.#machine) !== null) void this.#run(null);
  }

  /** The shopper asks to buy. Pressing twice is pressing once. */
  press(): void {
    void this.#run({ kind: "press", key: this.#around.new_key() });
  }

  /** The shopper asks for a place in the draw. */
  join(): void {
    void this.#run({ kind: "join" });
  }

  /** The sale has started; whoever is in the lobby goes in. */
  start(): void {
    if (this.#machine.state !== "lobby") return;
    void this.#run({ kind: "start", chance: this.#around.random() });
  }

  /** Ask now instead of later: the connection is back, or he has just paid. */
  hurry(): void {
    this.#machine = { ...this.#machine, failures: 0 };
    this.#wake.abort();
  }

  /** Ends everything here. Another tab, or the next visit, goes on. */
  stop(): void {
    this.#stopped.abort();
    this.#wake.abort();
    this.#news.close();
  }

  async #run(deed: Deed | null): Promise<void> {
    if (this.#is_running) return;
    this.#is_running = true;
    const since_ms = this.#around.clock();
    const { signal } = this.#stopped;
    try {
      await this.#around.turn(this.#around.memory.name, () => this.#work(deed, since_ms), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#is_running = false;
    }
  }

  async #work(deed: Deed | null, since_ms: number): Promise<void> {
    this.#has_turn = true;
    try {
      this.#take_over(deed, since_ms);
      await this.#loop();
    } finally {
      this.#has_turn = false;
    }
  }

  /** What another tab has done while this one waited for its turn comes first. */
  #take_over(deed: Deed | null, since_ms: number): void {
    const kept = this.#around.memory.load();
    const is_newer = kept !== null && kept.at_ms > since_ms;
    if (kept !== null && (is_newer || !is_settled(kept.machine))) this.#show(kept.machine);
    // He pressed while the other tab was at it: what it came to is the answer to that, too.
    const is_answered = is_newer && is_end(kept.machine.state);
    if (deed !== null && !is_answered) this.#change(step(this.#machine, deed));
  }

  #hear_other_tab(machine: Machine): void {
    // Who has the turn knows best.
    if (this.#has_turn) return;
    this.#show(machine);
    // From now on in line for the turn: the other tab may be closed before it is done.
    this.resume();
  }

  async #loop(): Promise<void> {
    const { send, pause, random } = this.#around;
    const { signal } = this.#stopped;
    for (;;) {
      const next = next_request(this.#machine);
      if (next === null) return;
      this.#wake = new AbortController();
      const is_offline = this.#machine.hindrance === OFFLINE;
      if (next.wait_ms > 0) await pause(next.wait_ms, this.#wake.signal, is_offline);
      if (signal.aborted) return;
      this.#change(step(this.#machine, { kind: "asking", request: next.asks }));
      const answer = await send(next.asks, this.#machine, signal);
      // A request that was given up with the page says nothing; the next visit repeats it.
      if (signal.aborted && (answer.code === NO_ANSWER || answer.code === OFFLINE)) return;
      const heard = { kind: "answer", request: next.asks, answer, chance: random() } as const;
      this.#change(step(this.#machine, heard));
    }
  }

  #change(machine: Machine): void {
    this.#around.memory.save(machine);
    this.#news.tell(machine);
    this.#show(machine);
  }

  #show(machine: Machine): void {
    this.#machine = machine;
    if (!this.#stopped.signal.aborted) this.#around.on_change(machine);
  }
}
