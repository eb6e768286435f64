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
/** More than a hand moves between two frames; a page that stutters tells some such, not a third. */
const JUMP_PX = 120;
const JUMPS_SHARE = 0.3;

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

/** The line through a stroke's ends, and the largest distance from it of the points between; in px. */
function bend(stroke: readonly Move[]): { line: number; aside: number } {
  let [x, y] = [0, 0];
  const points = stroke.map(({ dx, dy }) => {
    x += dx;
    y += dy;
    return [x, y] as const;
  });
  const line = Math.hypot(x, y);
  if (line === 0) return { line, aside: 0 };
  return { line, aside: Math.max(...points.map(([px, py]) => Math.abs(x * py - y * px) / line)) };
}

/** What rounding to 2 px makes of a perfectly straight line. */
const STRAIGHT_PX = 2.2;
const STRAIGHT_LINE_PX = 100;
/** 1 for a line that only a ruler draws, -1 for one that bends as arms do, else 0. */
function ruled(stroke: readonly Move[]): number {
  const { line, aside } = bend(stroke);
  if (line >= STRAIGHT_LINE_PX && aside <= STRAIGHT_PX) return 1;
  return aside > 0.012 * line && aside > STRAIGHT_PX ? -1 : 0;
}

/** Share of steps as long as the usual one, or two or three of them that came in one frame. */
function alike(stroke: readonly Move[]): number {
  const lengths = stroke.slice(1).map(length_of);
  const usual = median(lengths);
  if (usual < 8) return 0;
  const fits = (length: number) => {
    const times = Math.round(length / usual);
    return times >= 1 && times <= 3 && Math.abs(length - times * usual) <= 2.5;
  };
  return lengths.filter(fits).length / lengths.length;
}

/** How the speed varies along a stroke, its first step left out: that began at some time before. */
const unevenness = (stroke: readonly Move[]) =>
  variation(stroke.slice(1).map((move) => length_of(move) / Math.max(move.dt_ms, 4)));

/** How fast a stroke ends, over its fastest: a hand slows down before it arrives. */
function ending(stroke: readonly Move[]): number {
  const speeds = stroke.slice(1).map((move) => length_of(move) / Math.max(move.dt_ms, 4));
  const last = speeds.slice(-Math.max(2, Math.floor(speeds.length / 5)));
  return mean(last) / Math.max(...speeds, Number.MIN_VALUE);
}

/** Change of direction and speed from step to step, over the step: noise has much of it, hands have not. */
function roughness(stroke: readonly Move[]): number {
  const changes = stroke
    .slice(1)
    .map((move, at) =>
      Math.hypot(move.dx - (stroke[at]?.dx ?? 0), move.dy - (stroke[at]?.dy ?? 0)),
    );
  return mean(changes) / mean(stroke.map(length_of));
}

/** Evidence of pointer movement; negative speaks for a person. */
function of_moves(moves: readonly Move[]): number {
  if (moves.length === 0) return 0;
  const jumps = moves.filter((move) => length_of(move) >= JUMP_PX).length;
  if (jumps > moves.length * JUMPS_SHARE) return 30;
  const shaped = strokes(moves);
  if (shaped.length === 0) return 0;
  const middle = (feature: (stroke: readonly Move[]) => number) => median(shaped.map(feature));
  const [uneven, straight, ends] = [middle(unevenness), middle(ruled), middle(ending)];
  let evidence = straight > 0 ? 25 : 12 * straight;
  if (uneven < 0.15) evidence += 25;
  else if (uneven > 0.3) evidence -= 12;
  if (ends > 0.65) evidence += 12;
  else if (ends < 0.4) evidence -= 8;
  if (middle(alike) > 0.85) evidence += 20;
  if (middle(roughness) > 0.9) evidence += 30;
  return evidence;
}

/** Evidence of pressing. Assistive technology presses without a pointer and without a length. */
function of_presses(all: readonly Press[], moves: number): number {
  const presses = all.filter(({ kind }) => kind !== "none");
  if (presses.length === 0) return all.length > 0 ? -5 : 0;
  const dwells = presses.map(({ dwell_ms }) => dwell_ms);
  // A touchpad's tap may be as short, so this does not outweigh how a hand moves.
  const short = median(dwells) < 24;
  let evidence = short ? 25 : -12;
  if (presses.length >= 3 && !short) evidence += variation(dwells) < 0.05 ? 20 : -5;
  const mice = presses.filter(({ kind }) => kind === "mouse").length;
  if (mice > 0 && moves === 0) evidence += 15;
  return evidence;
}

/** Evidence of typing and of walking through the page with the keyboard. */
function of_keys(keys: readonly KeyStroke[]): number {
  if (keys.length < 2) return 0;
  const dwells = keys.map(({ dwell_ms }) => dwell_ms);
  let evidence = median(dwells) < 24 ? 30 : -12;
  const intervals = keys.slice(1).map(({ interval_ms }) => interval_ms);
  if (intervals.length < 3) return evidence;
  evidence += variation(intervals) < 0.15 ? 20 : -8;
  evidence += variation(dwells) < 0.08 ? 12 : 0;
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
