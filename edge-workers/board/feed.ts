/** Where the document comes from: one question a second, and an honest word on how old the answer is. */

import type { BoardDocument, History } from "./document.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 4_000;
/** A pass of staff is good for a minute. */
const RENEW_MS = 40_000;

/** What the page shows instead of a board. */
export type Ended = "logged_out" | "link_over";

export interface FeedOptions {
  kind: "staff" | "wall";
  first_pass: string;
  fetch: typeof fetch;
  /** Milliseconds that only go forward. */
  clock: () => number;
  news: (document: BoardDocument) => void;
  ended: (why: Ended) => void;
}

/** Asks until it is told that it may not. A failure is no answer: the last document stays, and ages. */
export class Feed {
  #pass: string;
  #heard_at: number | null = null;
  #last_at_ms = 0;
  #renewed_at: number;
  #is_over = false;
  readonly #options: FeedOptions;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#pass = options.first_pass;
    this.#renewed_at = options.clock();
  }

  /** How long ago what is shown was true, in ms; null before the first answer. */
  age_ms(): number | null {
    return this.#heard_at === null ? null : this.#options.clock() - this.#heard_at;
  }

  /** The server's clock, as of the last answer and the time since. */
  now_ms(): number {
    return this.#last_at_ms + (this.age_ms() ?? 0);
  }

  /** Asks once; whether there may be a next time. Never throws. */
  async ask(): Promise<boolean> {
    try {
      const is_old = this.#options.clock() - this.#renewed_at > RENEW_MS;
      if (is_old && this.#options.kind === "staff") await this.#renew();
      const answer = await this.#get("/board/now.json");
      if (answer.status === 401) await this.#renew();
      else if (answer.ok) this.#hear((await answer.json()) as BoardDocument);
    } catch {
      // Unreachable, late, or cut off: the age says it.
    }
    return !this.#is_over;
  }

  /** The last minutes, for the charts; null when nobody knows them. */
  async history(): Promise<History | null> {
    try {
      const answer = await this.#get("/board/history.json");
      return answer.ok ? ((await answer.json()) as History) : null;
    } catch {
      return null;
    }
  }

  /** Asks for ever, once a second; a hidden page asks nothing. */
  async run(is_hidden: () => boolean, sleep: (ms: number) => Promise<void>): Promise<void> {
    for (;;) {
      const began = this.#options.clock();
      if (!is_hidden() && !(await this.ask())) return;
      await sleep(Math.max(100, EVERY_MS - (this.#options.clock() - began)));
    }
  }

  #get(path: string): Promise<Response> {
    return this.#options.fetch(path, {
      headers: { authorization: `Bearer ${this.#pass}` },
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }

  #hear(document: BoardDocument): void {
    // The same look again is no news, and does not make it younger.
    if (document.at_ms <= this.#last_at_ms) return;
    this.#last_at_ms = document.at_ms;
    this.#heard_at = this.#options.clock();
    this.#options.news(document);
  }

  async #renew(): Promise<void> {
    if (this.#options.kind === "wall") return this.#end("link_over");
    const answer = await this.#options.fetch("/board/pass.json", {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    this.#renewed_at = this.#options.clock();
    if (answer.ok) this.#pass = ((await answer.json()) as { pass: string }).pass;
    else if (answer.status === 401 || answer.status === 403) this.#end("logged_out");
  }

  #end(why: Ended): void {
    this.#is_over = true;
    this.#options.ended(why);
  }
}
