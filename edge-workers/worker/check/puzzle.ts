/** The picture of the slider puzzle: a landscape with a hole, and the piece that fits into it. */

import { png } from "./png.ts";

export const WIDTH = 280;
const HEIGHT = 120;
const PIECE = 44;
/** The hole is never so far left that the piece lies on it from the start. */
const LEAST_X = 70;
const MOST_X = WIDTH - PIECE - 10;
/** A hand on a slider that is 280 px wide is not more exact than this. */
export const TOLERANCE_PX = 5;

const SHADES = 64;
/** Index of what is seen through, behind the shades and the darker shades of the holes. */
const CLEAR = 2 * SHADES;
/** Index of the piece's light rim. */
const RIM = CLEAR + 1;
/** Size of the hills. */
const CELL = 40;
const DARKER = 0.5;

export interface Puzzle {
  /** Left edge of the hole: the answer. */
  x: number;
  piece_y: number;
  background: Uint8Array;
  piece: Uint8Array;
}

/** Side of the piece that has a bump, and of the decoy: they differ. */
type Side = 0 | 1 | 2 | 3;

const whole = (random: () => number, least: number, most: number) =>
  least + Math.floor(random() * (most - least + 1));

const smooth = (t: number) => t * t * (3 - 2 * t);

/** Adds value noise: random heights on a grid, smooth between. */
function add_layer(ground: Float32Array, random: () => number, cell: number, weight: number): void {
  const columns = Math.ceil(WIDTH / cell) + 2;
  const heights = Float32Array.from({ length: columns * (Math.ceil(HEIGHT / cell) + 2) }, random);
  for (let y = 0; y < HEIGHT; y += 1) {
    const row = Math.floor(y / cell) * columns;
    const v = smooth((y % cell) / cell);
    for (let x = 0; x < WIDTH; x += 1) {
      const at = row + Math.floor(x / cell);
      const u = smooth((x % cell) / cell);
      const above = (heights[at] ?? 0) * (1 - u) + (heights[at + 1] ?? 0) * u;
      const below = (heights[at + columns] ?? 0) * (1 - u) + (heights[at + columns + 1] ?? 0) * u;
      const place = y * WIDTH + x;
      ground[place] = (ground[place] ?? 0) + weight * (above * (1 - v) + below * v);
    }
  }
}

/** Hills and stones, as shades. */
function landscape(random: () => number): Uint8Array {
  const ground = new Float32Array(WIDTH * HEIGHT);
  add_layer(ground, random, CELL, 0.85 * SHADES);
  add_layer(ground, random, CELL / 5, 0.15 * SHADES);
  return new Uint8Array(ground.map((height) => Math.min(SHADES - 1, Math.floor(height))));
}

const MARGIN = 7;
/** The middles of the piece's sides, clockwise from above. */
const MIDDLES = [
  [PIECE / 2, MARGIN],
  [PIECE - MARGIN, PIECE / 2],
  [PIECE / 2, PIECE - MARGIN],
  [MARGIN, PIECE / 2],
] as const;
const BUMP_PX = 7;

function is_near(side: number, x: number, y: number): boolean {
  const [middle_x, middle_y] = MIDDLES[side % 4] ?? MIDDLES[0];
  return (x - middle_x) ** 2 + (y - middle_y) ** 2 < BUMP_PX ** 2;
}

/** Whether a point of the square belongs to the piece: a disc on one side, a bite on the next. */
function is_inside(side: Side, x: number, y: number): boolean {
  const body = x >= MARGIN && y >= MARGIN && x < PIECE - MARGIN && y < PIECE - MARGIN;
  return is_near(side, x, y) || (body && !is_near(side + 1, x, y));
}

const NEIGHBOURS = [
  [-1, 0],
  [1, 0],
  [0, -1],
  [0, 1],
] as const;

const is_rim = (side: Side, x: number, y: number) =>
  NEIGHBOURS.some(([dx, dy]) => !is_inside(side, x + dx, y + dy));

function palette(random: () => number): [number, number, number][] {
  const turn = random() * 2 * Math.PI;
  const colour = (shade: number, light: number): [number, number, number] => {
    const level = 60 + (shade / SHADES) * 180;
    const channel = (phase: number) =>
      Math.round(Math.min(255, level * (0.8 + 0.2 * Math.sin(turn + phase + shade / 12)) * light));
    return [channel(0), channel(2.1), channel(4.2)];
  };
  const shades = Array.from({ length: SHADES }, (_, shade) => colour(shade, 1));
  const dark = Array.from({ length: SHADES }, (_, shade) => colour(shade, DARKER));
  return [...shades, ...dark, [0, 0, 0], [255, 255, 255]];
}

/** A new picture. `random` must not be foreseeable: it decides the answer. */
export async function make_puzzle(random: () => number): Promise<Puzzle> {
  const ground = landscape(random);
  const side = whole(random, 0, 3) as Side;
  const [x, piece_y] = [whole(random, LEAST_X, MOST_X), whole(random, 4, HEIGHT - PIECE - 4)];
  // A second hole of another shape, which the darkest column alone does not tell from the right one.
  const decoy_side = ((side + 2) % 4) as Side;
  // Neither of them lies under the piece as it is first shown.
  const [leftmost, last_before] = [PIECE + 6, x - PIECE - 10];
  const decoy_x =
    last_before >= leftmost
      ? whole(random, leftmost, last_before)
      : whole(random, x + PIECE + 10, WIDTH - PIECE - 2);
  const background = ground.slice();
  const piece = new Uint8Array(PIECE * PIECE).fill(CLEAR);
  for (let at = 0; at < PIECE * PIECE; at += 1) {
    const [px, py] = [at % PIECE, Math.floor(at / PIECE)];
    const place = (piece_y + py) * WIDTH + px;
    if (is_inside(side, px, py)) {
      piece[at] = is_rim(side, px, py) ? RIM : (ground[place + x] ?? 0);
      background[place + x] = (ground[place + x] ?? 0) + SHADES;
    }
    if (is_inside(decoy_side, px, py)) {
      background[place + decoy_x] = ((ground[place + decoy_x] ?? 0) % SHADES) + SHADES;
    }
  }
  const colours = palette(random);
  const opaque = colours.map((_, index) => (index === CLEAR ? 0 : 255));
  return {
    x,
    piece_y,
    background: await png(WIDTH, background, colours, opaque),
    piece: await png(PIECE, piece, colours, opaque),
  };
}
