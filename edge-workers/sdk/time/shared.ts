/** One clock an edge, whatever number of elements look at it. */

import { Clock, time_of } from "./clock.ts";
import { Resync } from "./resync.ts";

const clocks = new Map<string, { clock: Clock; resync: Resync }>();

/** The clock of an edge and what keeps it right; made when first asked for. */
export function shared_clock(edge: string): { clock: Clock; resync: Resync } {
  const known = clocks.get(edge);
  if (known !== undefined) return known;
  const clock = new Clock(time_of(edge));
  const made = { clock, resync: new Resync(clock, Math.random) };
  clocks.set(edge, made);
  return made;
}
