/** W3C Trace Context, level 2: what `traceparent` says, and which traces the switch chooses. */

export interface Traceparent {
  trace_id: string;
  /** Of whoever sent it. */
  span_id: string;
  /** Whether the sender follows it. */
  is_followed: boolean;
}

// Version 00 alone; ids of zeros are none.
const SHAPE = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = 1;

/** Reads the header; null when there is none, or what is no traceparent. */
export function read_traceparent(header: string | null | undefined): Traceparent | null {
  const [, trace_id, span_id, flags] = SHAPE.exec(header ?? "") ?? [];
  if (trace_id === undefined || span_id === undefined || flags === undefined) return null;
  return { trace_id, span_id, is_followed: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/** The header of somebody's children. */
export function traceparent_of(trace_id: string, span_id: string): string {
  return `00-${trace_id}-${span_id}-01`;
}

/** The digits that level 2 asks to be random: the last 56 bits. */
const RANDOM_DIGITS = 14;

/** Whether a trace is among the `percent` that are followed: the same wherever it is asked. */
export function is_chosen(trace_id: string, percent: number): boolean {
  const fell = Number.parseInt(trace_id.slice(-RANDOM_DIGITS), 16) / 16 ** RANDOM_DIGITS;
  return fell * 100 < percent;
}

/** Eight bytes in hexadecimal. That all are 0, which names nobody, happens to nobody. */
export function random_span_id(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
