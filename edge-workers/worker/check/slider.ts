/**
 * The puzzle for whom the score suspects: shown as an image, answered by a place, judged here. Its
 * token is sealed, so nothing is kept for it but that it was used.
 *
 * For who cannot see it there is the same question without a picture: a longer proof of work.
 */

import type { SliderAnswer, SliderQuestion } from "../../shared/slider.ts";
import { base64 } from "../tokens/compact.ts";
import { type Binding, type Bound, holds } from "./bound.ts";
import { LONG, type ProofOfWork } from "./proof_of_work.ts";
import { make_puzzle, TOLERANCE_PX, WIDTH } from "./puzzle.ts";
import { Seal } from "./seal.ts";

const SLIDER_MS = 120_000;
/** Whoever comes back to a page within this gets a new picture, and need not do the work again. */
const RENEWABLE_MS = 3_600_000;
/** A wrong answer gets another picture so often; then the check begins anew, with its work. */
export const TRIES_MAX = 3;

const MAX_UINT32 = 2 ** 32;

/** What is under the seal. */
interface Sealed extends Binding {
  x: number;
  score: number;
  tried: number;
}

/**
 * `score`: what it was when the puzzle was asked for. `tried`: how often, this one included, unless its
 * time was up (`expired`): then nobody looks whether it was right, and it was no try.
 */
export interface Verdict {
  passed: boolean;
  expired: boolean;
  id: string;
  score: number;
  tried: number;
}

function unforeseeable(): number {
  const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
  return drawn / MAX_UINT32;
}

export class Slider {
  readonly #seal: Seal;
  readonly #work: ProofOfWork;

  constructor(check_key: string, work: ProofOfWork) {
    this.#seal = new Seal(check_key, "slider");
    this.#work = work;
  }

  async ask(bound: Bound, score: number, tried: number, now_ms: number): Promise<SliderQuestion> {
    const { x, piece_y, background, piece } = await make_puzzle(unforeseeable);
    const expires_ms = now_ms + SLIDER_MS;
    const sealed: Sealed = { ...bound, expires_ms, of: "slider", x, score, tried };
    const { id, token } = await this.#seal.close(sealed);
    const instead = await this.#work.ask({ ...bound, expires_ms, of: id }, LONG);
    return {
      token,
      width: WIDTH,
      piece_y,
      background: base64(background),
      piece: base64(piece),
      instead,
      expires_ms,
      lasts_ms: SLIDER_MS,
    };
  }

  /** Null: not a question of ours to this visitor, or far too late. */
  async judge(answer: SliderAnswer, bound: Bound, now_ms: number): Promise<Verdict | null> {
    const opened = await this.#seal.open(answer.token);
    if (opened === null || !holds(opened.value, bound, "slider", now_ms - RENEWABLE_MS))
      return null;
    const { x, score, tried } = opened.value as Sealed;
    const { id } = opened;
    if (!holds(opened.value, bound, "slider", now_ms)) {
      return { passed: false, expired: true, id, score, tried };
    }
    const passed =
      "x" in answer
        ? Math.abs(answer.x - x) <= TOLERANCE_PX
        : (await this.#work.accept(answer.payload, bound, id, now_ms)) !== null;
    return { passed, expired: false, id, score, tried: tried + 1 };
  }
}
