/** Checks a draw record, and a shopper's place in it. What `control_plane/queues/verify.py` does. */

import { ALGORITHM, bytes_of_hex, commit_of, Places } from "./places.ts";

/** What can be wrong with a record, or with what a shopper typed. */
export type Fault =
  | "unreadable"
  | "other_item"
  | "algorithm"
  | "seed"
  | "commit"
  | "sizes"
  | "not_a_holder"
  | "ticket_of_other_item"
  | "ticket_not_of_lobby"
  | "no_such_bucket"
  | "no_such_number"
  | "row"
  | "rows_missing"
  | "rows_left";

/** `values` are put into the sentence that says it. */
export class Wrong extends Error {
  constructor(
    readonly fault: Fault,
    readonly values: Readonly<Record<string, string | number>> = {},
  ) {
    super(fault);
  }
}

/** A record that was read and found right. */
export interface Draw {
  commit: string;
  buckets: readonly string[];
  places: readonly Places[];
}

/** Whose place is asked for. */
export interface Holder {
  bucket: number;
  number: number;
}

const HEX_32_BYTES = /^[0-9a-f]{64}$/;
const NUMBER = /^(?:0|[1-9][0-9]{0,9})$/;
const ROWS_HEADER = "bucket,lobby_number,place";
/** Rows that are computed side by side, so that the page can draw in between. */
const ROWS_AT_ONCE = 200;

/**
 * The draw of `item` that a record describes; throws Wrong. `seen`: the commitment as the shopper
 * saw it before the draw, or "" when he did not keep it.
 */
export async function check_record(record: unknown, item: number, seen: string): Promise<Draw> {
  const { commit, seed, sizes, buckets, algorithm, ...rest } = (record ?? {}) as {
    [name: string]: unknown;
  };
  if (typeof seed !== "string" || !HEX_32_BYTES.test(seed)) throw new Wrong("unreadable");
  if (typeof commit !== "string" || !HEX_32_BYTES.test(commit)) throw new Wrong("unreadable");
  if (rest.item !== item) throw new Wrong("other_item", { item: String(rest.item) });
  if (algorithm !== ALGORITHM) throw new Wrong("algorithm", { algorithm: String(algorithm) });
  const key = bytes_of_hex(seed);
  if ((await commit_of(key)) !== commit) throw new Wrong("seed");
  if (seen !== "" && seen !== commit) throw new Wrong("commit");
  const places = places_of(key, item, sizes);
  const names = Array.isArray(buckets) ? buckets.map(String) : [];
  if (names.length !== places.length) throw new Wrong("sizes");
  return { commit, buckets: names, places };
}

function places_of(seed: Uint8Array<ArrayBuffer>, item: number, sizes: unknown): Places[] {
  if (!Array.isArray(sizes) || sizes.length === 0) throw new Wrong("sizes");
  try {
    return sizes.map((size, bucket) => new Places(seed, item, bucket, size));
  } catch {
    throw new Wrong("sizes");
  }
}

/** Reads a lobby ticket, or a lobby number of `bucket`; throws Wrong. */
export function read_holder(text: string, item: number, bucket: number): Holder {
  const typed = text.trim();
  if (NUMBER.test(typed)) return { bucket, number: Number(typed) };
  const claims = claims_of(typed);
  if (claims === null) throw new Wrong("not_a_holder");
  if (claims.item !== item) throw new Wrong("ticket_of_other_item", { item: String(claims.item) });
  if (claims.kind !== "lobby") throw new Wrong("ticket_not_of_lobby");
  return { bucket: Number(claims.bucket), number: Number(claims.number) };
}

/** What a ticket says. Its signature is the gateway's affair: here it only names a number. */
function claims_of(ticket: string): Record<string, unknown> | null {
  const payload = /^[\w-]+\.([\w-]{1,2000})\.[\w-]+$/.exec(ticket)?.[1];
  if (payload === undefined) return null;
  try {
    const text = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const claims: unknown = JSON.parse(text);
    return typeof claims === "object" ? (claims as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The holder's place, counted from 0: as many are served before him. Throws Wrong. */
export async function place_of(draw: Draw, { bucket, number }: Holder): Promise<number> {
  const places = draw.places[bucket];
  if (places === undefined) throw new Wrong("no_such_bucket", { bucket });
  if (!(number >= 0 && number < places.size)) {
    throw new Wrong("no_such_number", { number, size: places.size });
  }
  return places.place_of(number);
}

/**
 * Checks every row of `record.csv` against the draw; how many there are. Throws Wrong at the first
 * that is not as it must be. `tell` hears how many were right so far.
 */
export async function check_rows(
  lines: AsyncIterator<string>,
  draw: Draw,
  tell: (checked: number) => void,
): Promise<number> {
  if ((await lines.next()).value !== ROWS_HEADER) throw new Wrong("unreadable");
  let checked = 0;
  for (const [bucket, places] of draw.places.entries()) {
    for (let begin = 0; begin < places.size; begin += ROWS_AT_ONCE) {
      const count = Math.min(ROWS_AT_ONCE, places.size - begin);
      const due = await Promise.all(
        Array.from({ length: count }, (_, at) => places.place_of(begin + at)),
      );
      for (const [at, place] of due.entries()) {
        const { value, done } = await lines.next();
        if (done) throw new Wrong("rows_missing", { number: begin + at });
        if (value !== `${bucket},${begin + at},${place}`) {
          throw new Wrong("row", { number: begin + at, row: value.slice(0, 60), place });
        }
      }
      checked += count;
      tell(checked);
    }
  }
  if (!(await lines.next()).done) throw new Wrong("rows_left", { checked });
  return checked;
}

/** The lines of a download as it arrives. */
export async function* lines_of(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as never).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = (await reader.read()) as { value?: string; done: boolean };
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
