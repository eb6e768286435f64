/**
 * Notes how a visitor's hands move: differences and times, never where, what or which key. Knows no
 * DOM, so that the models under `fixtures/traces` record with the very same code.
 */

import {
  encode_trace,
  KEYS_MAX,
  type KeyStroke,
  MOVE_EVERY_MS,
  MOVES_MAX,
  type Move,
  PRESSES_MAX,
  type Press,
  type PressKind,
} from "../../shared/trace.ts";

/** A click that nothing before explains, so long after it, came from assistive technology. */
const EXPLAINED_MS = 700;

const keep = <Kind>(list: Kind[], most: number, one: Kind): void => {
  list.push(one);
  if (list.length > most) list.shift();
};

export class Recorder {
  readonly #moves: Move[] = [];
  readonly #presses: Press[] = [];
  readonly #keys: KeyStroke[] = [];
  /** Of keys that are down. The names never leave this object. */
  readonly #down = new Map<string, number>();
  #scrolls = 0;
  #scripted = false;
  #at: { x: number; y: number; ms: number } | null = null;
  #moved_ms = 0;
  #pressed: { kind: PressKind; ms: number; since_ms: number } | null = null;
  #key_ms: number | null = null;
  #explained_ms = Number.NEGATIVE_INFINITY;
  readonly #began_ms: number;

  /** `now_ms`: of the same clock as every event's time. */
  constructor(now_ms: number) {
    this.#began_ms = now_ms;
  }

  /** A script made an event. */
  scripted(): void {
    this.#scripted = true;
  }

  moved(ms: number, x: number, y: number): void {
    const before = this.#at;
    this.#moved_ms = ms;
    if (before !== null && ms - before.ms < MOVE_EVERY_MS) return;
    this.#at = { x, y, ms };
    if (before === null) return;
    const [dx, dy] = [x - before.x, y - before.y];
    if (dx !== 0 || dy !== 0) keep(this.#moves, MOVES_MAX, { dt_ms: ms - before.ms, dx, dy });
  }

  pressed(ms: number, kind: PressKind): void {
    this.#pressed = { kind, ms, since_ms: ms - this.#moved_ms };
  }

  /** The pointer went up, or the browser took the gesture for its own. */
  released(ms: number): void {
    this.#explained_ms = ms;
    if (this.#pressed === null) return;
    const { kind, since_ms } = this.#pressed;
    const dwell_ms = ms - this.#pressed.ms;
    keep(this.#presses, PRESSES_MAX, { kind, since_ms, dwell_ms });
    this.#pressed = null;
  }

  /** A click, however it came about. */
  clicked(ms: number): void {
    if (ms - this.#explained_ms < EXPLAINED_MS || this.#down.size > 0) return;
    keep(this.#presses, PRESSES_MAX, { kind: "none", since_ms: 0, dwell_ms: 0 });
  }

  key_down(ms: number, key: string): void {
    if (!this.#down.has(key)) this.#down.set(key, ms);
  }

  key_up(ms: number, key: string): void {
    this.#explained_ms = ms;
    const down_ms = this.#down.get(key);
    if (down_ms === undefined) return;
    this.#down.delete(key);
    const interval_ms = this.#key_ms === null ? 0 : down_ms - this.#key_ms;
    this.#key_ms = down_ms;
    keep(this.#keys, KEYS_MAX, { interval_ms, dwell_ms: ms - down_ms });
  }

  scrolled(): void {
    this.#scrolls += 1;
  }

  /** The trace so far, as it travels. */
  trace(now_ms: number, driven: boolean): string {
    return encode_trace({
      driven,
      scripted: this.#scripted,
      watched_s: (now_ms - this.#began_ms) / 1000,
      scrolls: this.#scrolls,
      moves: this.#moves,
      presses: this.#presses,
      keys: this.#keys,
    });
  }
}
