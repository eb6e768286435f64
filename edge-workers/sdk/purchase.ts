/**
 * The effect runner of a purchase: one loop that waits, asks, and steps (`machine/step.ts`).
 *
 * There is one request in flight at the most, because the loop is the only one that asks, and only
 * while it has the turn among all tabs. What is about to be sent is kept before it is sent.
 */

import type { Machine } from "./machine/machine.ts";
import { new_machine, type Request } from "./machine/machine.ts";
import { is_settled, next_look, next_request, type Signal, step } from "./machine/step.ts";
import { is_end, TABLE } from "./machine/table.ts";
import { LOOK_EVERY_MS, LOOKS_MAX } from "./machine/waiting.ts";
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
  #is_watching = false;
  #looks_left = LOOKS_MAX;
  #look: Promise<void> | null = null;
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

  /** Whether it is this tab that asks, and so shows what the human check has to show. */
  get has_turn(): boolean {
    return this.#has_turn;
  }

  /** Goes on with what was kept, if there is something to do. */
  resume(): void {
    this.#go_on(0);
  }

  #go_on(look_in_ms: number): void {
    if (next_request(this.#machine) !== null) void this.#run(null);
    else void this.#watch(look_in_ms);
  }

  /** The shopper asks to buy. Pressing twice is pressing once. */
  press(): void {
    this.#looks_left = LOOKS_MAX;
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

  /** He began to pay, or it did not come about: after a reload, too, his money may come late. */
  pays(is_paying: boolean): void {
    if (is_paying !== this.#machine.is_paying) this.#change({ ...this.#machine, is_paying });
  }

  /** Looks now instead of later how the order stands; what is asked for else waits its time. */
  hurry(): void {
    const { asks, looks } = TABLE[this.#machine.state];
    if ((asks ?? looks) !== "status") return;
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
    if (this.#look !== null) await this.#look;
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
    void this.#watch(LOOK_EVERY_MS);
  }

  /** Looks now and then at what has ended and may still change, for some minutes. */
  async #watch(first_ms: number): Promise<void> {
    if (this.#is_watching) return;
    this.#is_watching = true;
    const { pause, random } = this.#around;
    const { signal } = this.#stopped;
    const is_due = () => !signal.aborted && !this.#is_running && next_look(this.#machine) !== null;
    for (let wait_ms = first_ms; is_due() && this.#looks_left > 0; wait_ms = LOOK_EVERY_MS) {
      this.#looks_left -= 1;
      this.#wake = new AbortController();
      if (wait_ms > 0) await pause(wait_ms * (0.75 + random() / 2), this.#wake.signal, false);
      if (!is_due()) break;
      this.#look = this.#look_once().catch(() => undefined);
      await this.#look;
      this.#look = null;
    }
    this.#is_watching = false;
  }

  /** One request, and the turn only for that long: another tab may want to buy anew. */
  #look_once(): Promise<void> {
    const { memory, turn, send, random } = this.#around;
    const { signal } = this.#stopped;
    const look = async () => {
      const kept = memory.load();
      if (kept !== null) this.#show(kept.machine);
      const request = next_look(this.#machine);
      if (request === null || signal.aborted) return;
      const answer = await send(request, this.#machine, signal);
      const heard = { kind: "answer", request, answer, chance: random() } as const;
      const found = step(this.#machine, heard);
      if (!signal.aborted && found !== this.#machine) this.#change(found);
    };
    return turn(memory.name, look, signal);
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
    if (this.#has_turn) {
      // Who has the turn knows best, but for where he has pressed the button to pay.
      if (machine.key === this.#machine.key) this.pays(machine.is_paying);
      return;
    }
    this.#show(machine);
    // From now on in line for the turn: the other tab may be closed before it is done.
    this.#go_on(LOOK_EVERY_MS);
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
