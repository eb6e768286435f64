/** The human check as the SDK meets it: a module of its own, loaded when somebody is about to buy. */

/** What `sdk/check` exports; a bundle without it has none of this and asks for no check. */
export interface CheckExports {
  /** Begins to gather how the visitor moves; returns what ends it. */
  watch?: (root: Document) => () => void;
  solve?: (task: CheckTask) => Promise<Solved>;
  device_id?: () => Promise<string>;
}

export interface CheckTask {
  edge: string;
  item: number;
  session: string;
  /** Where a slider is shown, when one is asked for. */
  host: HTMLElement;
  slider?: unknown;
  lang: "en" | "zh";
  signal: AbortSignal;
}

/** Solves the check for one entry. Rejects when it could not be done. */
export type Solve = (session: string, slider: unknown, signal: AbortSignal) => Promise<Solved>;
/** Makes the answer, out of the work and what was seen until now; null when none is asked for. */
export type Solved = (() => CheckAnswer) | null;
export type CheckAnswer = Record<string, unknown>;

/** An answer is good for five minutes with Turnstile, longer with the proof of work. */
const GOOD_FOR_MS = 240_000;

/** A check whose work is done ahead of time and used once; the answer is made at the press. */
export class PreparedCheck {
  readonly #solve: Solve;
  #ahead: { session: string; solved: Promise<Solved>; at_ms: number } | null = null;

  constructor(solve: Solve) {
    this.#solve = solve;
  }

  /** Begins before it is needed. What fails here is tried again when it is. */
  prepare(session: string, signal: AbortSignal): void {
    if (this.#ahead !== null) return;
    const solved = this.#solve(session, null, signal);
    solved.catch(() => undefined);
    this.#ahead = { session, solved, at_ms: performance.now() };
  }

  /** The answer for the next entry; null when none is asked for. */
  async take(session: string, slider: unknown, signal: AbortSignal): Promise<CheckAnswer | null> {
    const solved = await this.#solved(session, slider, signal);
    return solved === null ? null : solved();
  }

  async #solved(session: string, slider: unknown, signal: AbortSignal): Promise<Solved> {
    const ahead = this.#ahead;
    this.#ahead = null;
    const is_good = ahead !== null && performance.now() - ahead.at_ms < GOOD_FOR_MS;
    if (is_good && ahead.session === session && slider === null) {
      try {
        return await ahead.solved;
      } catch {}
    }
    return this.#solve(session, slider, signal);
  }
}
