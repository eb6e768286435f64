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
/** Size of the hills. */
const CELL = 24;
const DARKER = 0.62;

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

/** Value noise: random heights on a grid, smooth between, twice at different sizes. */
function landscape(random: () => number): Uint8Array {
  const layer = (cell: number) => {
    const columns = Math.ceil(WIDTH / cell) + 2;
    const heights = Array.from({ length: columns * (Math.ceil(HEIGHT / cell) + 2) }, random);
    return (x: number, y: number) => {
      const [column, row] = [Math.floor(x / cell), Math.floor(y / cell)];
      const [u, v] = [smooth(x / cell - column), smooth(y / cell - row)];
      const at = (dx: number, dy: number) => heights[(row + dy) * columns + column + dx] ?? 0;
      const above = at(0, 0) * (1 - u) + at(1, 0) * u;
      const below = at(0, 1) * (1 - u) + at(1, 1) * u;
      return above * (1 - v) + below * v;
    };
  };
  const [hills, stones] = [layer(CELL), layer(CELL / 4)];
  return Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
    const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
    return Math.min(SHADES - 1, Math.floor((0.75 * hills(x, y) + 0.25 * stones(x, y)) * SHADES));
  });
}

/** Whether a point of the square belongs to the piece: a disc on one side, a bite on the next. */
function is_inside(side: Side, x: number, y: number): boolean {
  const margin = 8;
  const centre = PIECE / 2;
  const middles = [
    [centre, margin],
    [PIECE - margin, centre],
    [centre, PIECE - margin],
    [margin, centre],
  ] as const;
  const near = (which: number) => {
    const [cx, cy] = middles[which % 4] ?? [0, 0];
    return Math.hypot(x - cx, y - cy) < 7;
  };
  const body = x >= margin && y >= margin && x < PIECE - margin && y < PIECE - margin;
  return near(side) || (body && !near(side + 1));
}

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
  return [...shades, ...dark, [0, 0, 0]];
}

/** A new picture. `random` must not be foreseeable: it decides the answer. */
export async function make_puzzle(random: () => number): Promise<Puzzle> {
  const ground = landscape(random);
  const side = whole(random, 0, 3) as Side;
  const [x, piece_y] = [whole(random, LEAST_X, MOST_X), whole(random, 4, HEIGHT - PIECE - 4)];
  // A second hole of another shape, which the darkest column alone does not tell from the right one.
  const decoy_side = ((side + 2) % 4) as Side;
  const beside =
    x - PIECE - 20 >= LEAST_X - 40 ? whole(random, 10, x - PIECE - 10) : x + PIECE + 10;
  const decoy_x = Math.min(beside, WIDTH - PIECE - 2);
  const background = ground.slice();
  const piece = new Uint8Array(PIECE * PIECE).fill(CLEAR);
  for (let at = 0; at < PIECE * PIECE; at += 1) {
    const [px, py] = [at % PIECE, Math.floor(at / PIECE)];
    const place = (piece_y + py) * WIDTH + px;
    if (is_inside(side, px, py)) {
      piece[at] = ground[place + x] ?? 0;
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
