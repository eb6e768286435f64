/** Frames of past sales as the control plane answers them, and only of the sale chosen last. */

import type { BoardDocument } from "./document.ts";
import type { Messages } from "./messages.ts";

export interface PastSale {
  frames: readonly BoardDocument[];
  /** Of how much of its beginning Prometheus kept nothing. */
  missing_ms: number;
  /** Why there are no frames, for people; empty when there are some. */
  problem: string;
}

export class PastSales {
  readonly #fetch: typeof fetch;
  readonly #text: Messages;
  #choices = 0;

  constructor(fetch_: typeof fetch, text: Messages) {
    this.#fetch = fetch_;
    this.#text = text;
  }

  /** Null when something else was chosen before the answer came; "" is the present. */
  async choose(slug: string): Promise<PastSale | null> {
    this.#choices += 1;
    const choice = this.#choices;
    const sale = slug === "" ? none("") : await this.#load(slug);
    return choice === this.#choices ? sale : null;
  }

  async #load(slug: string): Promise<PastSale> {
    try {
      const answer = await this.#fetch(`/board/replay/${slug}.json`);
      if (!answer.ok) return none(await this.#title_of(answer));
      const said = (await answer.json()) as { frames: BoardDocument[]; missing_ms: number | null };
      if (said.frames.length === 0) return none(this.#text.no_series);
      return { frames: said.frames, missing_ms: said.missing_ms ?? 0, problem: "" };
    } catch (error) {
      return none(`${this.#text.failed} ${String(error)}`);
    }
  }

  /** What is in front of the control plane may answer without one. */
  async #title_of(answer: Response): Promise<string> {
    const body = (await answer.json().catch(() => null)) as { title?: unknown } | null;
    if (typeof body?.title === "string") return body.title;
    return `${this.#text.failed} ${answer.status}`;
  }
}

function none(problem: string): PastSale {
  return { frames: [], missing_ms: 0, problem };
}
