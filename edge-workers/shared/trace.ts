/**
 * The trace of a visitor's hands, as it travels from the page to the edge: at most 391 bytes.
 *
 * Nothing in it says where on the page something was, what was clicked or which key was pressed:
 * movements are differences in steps of 2 px, times are in steps of 4 or 8 ms, keys are only when.
 */

/** One step of a pointer: time since the one before, and the way in px. */
export interface Move {
  dt_ms: number;
  dx: number;
  dy: number;
}

/** What pressed: "none" is a click without a pointer, as assistive technology makes it. */
export const PRESS_KINDS = ["mouse", "touch", "pen", "none"] as const;
export type PressKind = (typeof PRESS_KINDS)[number];

/** Down and up of a pointer. `since_ms`: how long the pointer had rested before. */
export interface Press {
  kind: PressKind;
  dwell_ms: number;
  since_ms: number;
}

/** A key, whichever. `interval_ms`: since the one before went down. */
export interface KeyStroke {
  interval_ms: number;
  dwell_ms: number;
}

export interface Trace {
  /** The browser says that a program drives it (`navigator.webdriver`). */
  driven: boolean;
  /** Events that a script made (`isTrusted` is false). */
  scripted: boolean;
  watched_s: number;
  scrolls: number;
  moves: readonly Move[];
  presses: readonly Press[];
  keys: readonly KeyStroke[];
}

export const MOVES_MAX = 96;
export const PRESSES_MAX = 16;
export const KEYS_MAX = 24;
/** A movement is noted at most so often: every frame of a usual screen. */
export const MOVE_EVERY_MS = 12;
const VERSION = 1;
const HEADER_BYTES = 7;
const DRIVEN = 1;
const SCRIPTED = 2;
const FINE_MS = 4;
const COARSE_MS = 8;
const PIXELS = 2;
const BYTE_MAX = 255;
/** Longest text of a trace: three bytes are four characters. */
export const TRACE_MAX_CHARS =
  Math.ceil((HEADER_BYTES + 3 * MOVES_MAX + 3 * PRESSES_MAX + 2 * KEYS_MAX) / 3) * 4;

const steps = (value: number, step: number) =>
  Math.max(0, Math.min(BYTE_MAX, Math.round(value / step)));
const way = (px: number) => Math.max(-127, Math.min(127, Math.round(px / PIXELS)));
const signed = (byte: number) => (byte > 127 ? byte - 256 : byte) * PIXELS;

/** base64url of a trace; only the newest of what is too much. */
export function encode_trace(trace: Trace): string {
  const moves = trace.moves.slice(-MOVES_MAX);
  const presses = trace.presses.slice(-PRESSES_MAX);
  const keys = trace.keys.slice(-KEYS_MAX);
  const bytes = [
    VERSION,
    (trace.driven ? DRIVEN : 0) | (trace.scripted ? SCRIPTED : 0),
    steps(trace.watched_s, 1),
    steps(trace.scrolls, 1),
    moves.length,
    presses.length,
    keys.length,
  ];
  // What rounding leaves out is carried on: a straight line stays one.
  let [left_x, left_y] = [0, 0];
  for (const { dt_ms, dx, dy } of moves) {
    const [x, y] = [way(dx + left_x), way(dy + left_y)];
    [left_x, left_y] = [dx + left_x - x * PIXELS, dy + left_y - y * PIXELS];
    bytes.push(steps(dt_ms, FINE_MS), x & BYTE_MAX, y & BYTE_MAX);
  }
  for (const { kind, dwell_ms, since_ms } of presses) {
    bytes.push(PRESS_KINDS.indexOf(kind), steps(dwell_ms, FINE_MS), steps(since_ms, COARSE_MS));
  }
  for (const { interval_ms, dwell_ms } of keys) {
    bytes.push(steps(interval_ms, COARSE_MS), steps(dwell_ms, FINE_MS));
  }
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The trace of a text, or null when it is none: also with one byte too many or too few. */
export function decode_trace(text: string): Trace | null {
  if (text.length > TRACE_MAX_CHARS || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  let binary: string;
  try {
    binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return null;
  }
  const bytes = Array.from(binary, (character) => character.charCodeAt(0));
  const [version, flags = 0, watched_s = 0, scrolls = 0, moves = 0, presses = 0, keys = 0] = bytes;
  const length = HEADER_BYTES + 3 * moves + 3 * presses + 2 * keys;
  if (version !== VERSION || bytes.length !== length || flags > (DRIVEN | SCRIPTED)) return null;
  if (moves > MOVES_MAX || presses > PRESSES_MAX || keys > KEYS_MAX) return null;
  let at = HEADER_BYTES;
  const next = () => bytes[at++] ?? 0;
  return {
    driven: (flags & DRIVEN) !== 0,
    scripted: (flags & SCRIPTED) !== 0,
    watched_s,
    scrolls,
    moves: Array.from({ length: moves }, () => ({
      dt_ms: next() * FINE_MS,
      dx: signed(next()),
      dy: signed(next()),
    })),
    presses: Array.from({ length: presses }, () => ({
      kind: PRESS_KINDS[next()] ?? "none",
      dwell_ms: next() * FINE_MS,
      since_ms: next() * COARSE_MS,
    })),
    keys: Array.from({ length: keys }, () => ({
      interval_ms: next() * COARSE_MS,
      dwell_ms: next() * FINE_MS,
    })),
  };
}
