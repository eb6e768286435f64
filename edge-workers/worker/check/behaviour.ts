/**
 * How much a trace looks like a program: 0 (a person) … 100 (a program).
 *
 * Evidence for and against is added up, from what is known of both. People: speed rises and falls
 * within a stroke (minimum jerk, Flash & Hogan 1985) and is low before a press (Fitts 1954), paths
 * bend, buttons and keys stay down for 30 to 300 ms and never equally long. Programs that drive a
 * browser: straight lines at one speed, jumps, presses of no length, keys like a metronome. Missing
 * evidence costs little, since people who use a keyboard, a finger or a screen reader leave less of it.
 *
 * The weights were set by hand on `fixtures/traces` (seeds below 1000) and judged on others.
 */

import type { KeyStroke, Move, Press, Trace } from "../../shared/trace.ts";

/** Who shows nothing at all: below a program that was caught, above everybody who did something. */
const NOTHING_KNOWN = 50;
const NOTHING_DONE = 65;
/** The browser itself says so: no evidence outweighs it. */
const DRIVEN = 95;

/** A rest of this length ends a stroke. */
const REST_MS = 150;
const STROKE_MOVES_MIN = 5;
const STROKE_PX_MIN = 60;
/** More than any hand moves between two frames without having been on its way. */
const JUMP_PX = 180;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => (values.length === 0 ? 0 : sum(values) / values.length);
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Standard deviation over mean. */
function variation(values: readonly number[]): number {
  const middle = mean(values);
  if (middle === 0) return 0;
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
}

const length_of = ({ dx, dy }: Move) => Math.hypot(dx, dy);

/** The moves between two rests, where there are enough of them to have a shape. */
export function strokes(moves: readonly Move[]): Move[][] {
  const all: Move[][] = [[]];
  for (const move of moves) {
    if (move.dt_ms > REST_MS) all.push([]);
    all.at(-1)?.push(move);
  }
  return all.filter(
    (stroke) => stroke.length >= STROKE_MOVES_MIN && sum(stroke.map(length_of)) >= STROKE_PX_MIN,
  );
}

/** Largest distance of a stroke's points from the line through its ends, over the line's length. */
function bend(stroke: readonly Move[]): number {
  let [x, y] = [0, 0];
  const points = stroke.map(({ dx, dy }) => {
    x += dx;
    y += dy;
    return [x, y] as const;
  });
  const line = Math.hypot(x, y);
  if (line === 0) return 1;
  return Math.max(...points.map(([px, py]) => Math.abs(x * py - y * px) / line)) / line;
}

/** How the speed varies along a stroke, its first step left out: that began at some time before. */
const unevenness = (stroke: readonly Move[]) =>
  variation(stroke.slice(1).map((move) => length_of(move) / Math.max(move.dt_ms, 4)));

/** Evidence of pointer movement; negative speaks for a person. */
function of_moves(moves: readonly Move[]): number {
  if (moves.length === 0) return 0;
  const jumps = moves.filter((move) => length_of(move) >= JUMP_PX).length;
  const jumping = jumps >= 2 || (jumps === 1 && moves.length < 4) ? 20 : 0;
  const shaped = strokes(moves);
  if (shaped.length === 0) return jumping;
  const uneven = median(shaped.map(unevenness));
  const bent = median(shaped.map(bend));
  let evidence = jumping;
  if (uneven < 0.15) evidence += 25;
  else if (uneven > 0.3) evidence -= 15;
  if (bent < 0.008) evidence += 15;
  else if (bent > 0.015) evidence -= 15;
  return evidence;
}

/** Evidence of pressing. Assistive technology presses without a pointer and without a length. */
function of_presses(all: readonly Press[], moves: number): number {
  const presses = all.filter(({ kind }) => kind !== "none");
  if (presses.length === 0) return all.length > 0 ? -5 : 0;
  const short = presses.filter(({ dwell_ms }) => dwell_ms < 16).length / presses.length;
  if (short > 0.5) return 25;
  let evidence = short === 0 ? -12 : 0;
  const varied = new Set(presses.map(({ dwell_ms }) => dwell_ms)).size;
  if (presses.length >= 3) evidence += varied === 1 ? 20 : -5;
  const mice = presses.filter(({ kind }) => kind === "mouse").length;
  if (mice > 0 && moves === 0) evidence += 15;
  return evidence;
}

/** Evidence of typing and of walking through the page with the keyboard. */
function of_keys(keys: readonly KeyStroke[]): number {
  if (keys.length < 2) return 0;
  const short = keys.filter(({ dwell_ms }) => dwell_ms < 12).length / keys.length;
  const intervals = keys.slice(1).map(({ interval_ms }) => interval_ms);
  const regular = intervals.length >= 3 && variation(intervals) < 0.1;
  let evidence = short > 0.5 ? 25 : -12;
  if (regular) evidence += 20;
  else if (intervals.length >= 3) evidence -= 8;
  return evidence;
}

/** The score of a trace. */
export function behaviour_score(trace: Trace): number {
  if (trace.driven) return DRIVEN;
  const { moves, presses, keys, scrolls } = trace;
  if (moves.length + presses.length + keys.length + scrolls === 0) return NOTHING_DONE;
  const evidence =
    of_moves(moves) +
    of_presses(presses, moves.length) +
    of_keys(keys) +
    (scrolls > 0 ? -3 : 0) +
    (trace.scripted ? 30 : 0);
  return Math.max(0, Math.min(100, NOTHING_KNOWN + evidence));
}
