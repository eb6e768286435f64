/** Whom a question was put to, and until when it can be answered. */

export interface Bound {
  item: number;
  shopper: string;
  device: string;
}

/** As it stands, signed or sealed, in a question. `of`: the puzzle it belongs to, else "". */
export interface Binding extends Bound {
  expires_ms: number;
  of: string;
}

/** Whether a question was put to this visitor, for this puzzle, and has not expired. */
export function holds(binding: unknown, bound: Bound, of: string, now_ms: number): boolean {
  if (typeof binding !== "object" || binding === null) return false;
  const asked = binding as Partial<Record<keyof Binding, unknown>>;
  return (
    asked.item === bound.item &&
    asked.shopper === bound.shopper &&
    asked.device === bound.device &&
    asked.of === of &&
    typeof asked.expires_ms === "number" &&
    now_ms < asked.expires_ms
  );
}
