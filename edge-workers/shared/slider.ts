/** The slider puzzle as it travels: the edge's question, in a `challenge` refusal, and its answer. */

import type { Challenge } from "altcha-lib/types";

/** Images are base64 PNG; `x` of the answer counts from the picture's left edge. */
export interface SliderQuestion {
  token: string;
  width: number;
  piece_y: number;
  background: string;
  piece: string;
  /** ALTCHA's challenge, to be solved in place of the puzzle. */
  instead: Challenge;
  expires_ms: number;
  /** How long it can be answered from when it was asked: clocks of visitors are wrong. */
  lasts_ms: number;
  /** In place of one whose time was up, which counts as no try. */
  renewed?: true;
}

export type SliderAnswer = { token: string; x: number } | { token: string; payload: string };
