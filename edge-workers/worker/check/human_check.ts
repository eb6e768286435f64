/** The human check at the doors of a sale: which question, and what an answer is worth. */

import type { Settings } from "../env/settings.ts";
import { Refusal } from "../problem/problem.ts";
import { PUZZLE_COUNTS_S } from "../tokens/entry.ts";
import { type Passed, renewable } from "../tokens/renewal.ts";
import type { CheckAnswer } from "./answer.ts";
import type { Bound } from "./bound.ts";
import { ProofOfWork, USUAL } from "./proof_of_work.ts";
import { after_slider, RiskScore, SLIDER_FROM } from "./risk_score.ts";
import { Slider, TRIES_MAX } from "./slider.ts";
import { accept_turnstile, turnstile_binding } from "./turnstile.ts";
import { Used } from "./used.ts";

/** Who waits for the start on the page solves it before; the lobby may be open for longer. */
export const CHALLENGE_MS = 15 * 60_000;

/** What a token says of somebody whom nothing was asked; his is not renewed once something is. */
export const RISK_UNJUDGED = 0;
const RISK_JUDGED_MIN = 1;

export interface HumanCheckOptions {
  settings: Pick<Settings, "check_key" | "turnstile">;
  clock: () => number;
  random: () => number;
  fetch: typeof fetch;
}

/** `challenged_from`: the lowest score that a gateway's rule challenges, or null. */
export interface Circumstances {
  address: string | null;
  challenged_from: number | null;
  /** What the token's own times are counted from. */
  now_ms: number;
  /** The snapshot's live entry keys, for renewals. */
  entry_keys: ReadonlyMap<string, CryptoKey>;
}

/** Whether who has passed so much before need not be checked again. */
const is_enough = ({ risk, puzzle_until_s }: Passed, slider_from: number) =>
  puzzle_until_s !== null || (risk > RISK_UNJUDGED && risk < slider_from);

/** Lives as long as the isolate, which is all that it remembers. */
export class HumanCheck {
  readonly #options: HumanCheckOptions;
  readonly #work: ProofOfWork;
  readonly #slider: Slider;
  readonly #used = new Used();
  readonly #risk = new RiskScore();

  constructor(options: HumanCheckOptions) {
    this.#options = options;
    this.#work = new ProofOfWork(options.settings.check_key);
    this.#slider = new Slider(options.settings.check_key, this.#work);
  }

  /** The question for `GET …/check`. */
  async question(bound: Bound): Promise<object> {
    const { turnstile } = this.#options.settings;
    if (turnstile !== null) {
      const { site_key } = turnstile;
      return { provider: "turnstile", site_key, ...(await turnstile_binding(bound)) };
    }
    const expires_ms = this.#options.clock() + CHALLENGE_MS;
    const challenge = await this.#work.ask({ ...bound, expires_ms, of: "" }, USUAL);
    return { provider: "altcha", challenge, expires_ms };
  }

  /**
   * What the token of who answered well says of him. Throws `challenge`, with a puzzle when the score
   * asks for it, or when a gateway would ask (`challenged_from`) or has asked (`puzzle`): here it can be
   * answered, there it cannot.
   */
  async pass(
    bound: Bound,
    answer: CheckAnswer | null,
    { address, challenged_from, now_ms, entry_keys }: Circumstances,
  ): Promise<Passed> {
    if (answer === null) throw new Refusal("challenge", { detail: "the check is missing" });
    const slider_from = Math.min(challenged_from ?? SLIDER_FROM, SLIDER_FROM);
    if (answer.provider === "renewal") {
      const passed = await renewable(answer.token, entry_keys, bound, now_ms);
      if (passed !== null && is_enough(passed, slider_from)) return passed;
      throw new Refusal("challenge", { detail: "the token cannot be renewed without a check" });
    }
    const puzzle_until_s = Math.floor(now_ms / 1000) + PUZZLE_COUNTS_S;
    if (answer.provider === "slider") {
      const score = await this.#pass_slider(bound, answer);
      return { risk: Math.min(score, Math.max(0, slider_from - 1)), puzzle_until_s };
    }
    await this.#accept(bound, answer, address);
    const judged = this.#risk.judge(answer.trace, bound.shopper, bound.device);
    const score = Math.max(RISK_JUDGED_MIN, judged);
    const is_puzzle_due = answer.provider === "altcha" && "puzzle" in answer;
    if (score >= slider_from || is_puzzle_due) throw await this.#ask_slider(bound, score, 0);
    // Turnstile's verdict is a challenge that was passed; work proves nobody a person.
    return { risk: score, puzzle_until_s: answer.provider === "turnstile" ? puzzle_until_s : null };
  }

  async #accept(
    bound: Bound,
    answer: Exclude<CheckAnswer, { provider: "slider" | "renewal" }>,
    address: string | null,
  ): Promise<void> {
    const { settings, clock } = this.#options;
    if (answer.provider !== (settings.turnstile === null ? "altcha" : "turnstile")) {
      throw new Refusal("challenge", { detail: "the check is for another provider" });
    }
    if (answer.provider === "altcha") {
      const id = await this.#work.accept(answer.payload, bound, "", clock());
      if (id !== null && this.#used.first_time(id)) return;
    } else if (settings.turnstile !== null) {
      const options = { ...this.#options, settings: settings.turnstile };
      // Cloudflare takes each of its tokens once.
      if (await accept_turnstile(answer.token, bound, address, options)) return;
    }
    throw new Refusal("challenge", { detail: "the check was not passed, was used or has expired" });
  }

  async #pass_slider(
    bound: Bound,
    answer: Extract<CheckAnswer, { provider: "slider" }>,
  ): Promise<number> {
    const verdict = await this.#slider.judge(answer, bound, this.#options.clock());
    if (verdict === null || !this.#used.first_time(verdict.id)) {
      throw new Refusal("challenge", { detail: "the puzzle was used or has expired" });
    }
    if (verdict.passed) return after_slider(verdict.score);
    if (verdict.tried < TRIES_MAX) {
      throw await this.#ask_slider(bound, verdict.score, verdict.tried, verdict.expired);
    }
    throw new Refusal("challenge", { detail: "the puzzle was not solved" });
  }

  async #ask_slider(bound: Bound, score: number, tried: number, renewed = false): Promise<Refusal> {
    const asked = await this.#slider.ask(bound, score, tried, this.#options.clock());
    const slider = renewed ? { ...asked, renewed } : asked;
    return new Refusal("challenge", { detail: "one more question", slider });
  }
}
