/**
 * Who is served when in a draw: lobby number n of N is served at place π(n).
 *
 * The same in Python is `control_plane/queues/places.py`, where the construction is explained, and in
 * Lua `openresty/gateway/queue/places.lua`; `tests/vectors/draw_places.json` holds all three to it.
 * HMAC is the browser's own (WebCrypto), so one round is one asynchronous call.
 */

export const ALGORITHM = "feistel-hmac-sha256-10";
const ROUNDS = 10;
const DOMAIN = "sluice-draw-1";
/** Two halves of at most 15 bits, so that `<<` stays below the sign of a 32-bit integer. */
const SIZE_MAX = 2 ** 30;

/** The bytes of lower-case hex; throws RangeError for anything else. */
export function bytes_of_hex(hex: string): Uint8Array<ArrayBuffer> {
  if (!/^(?:[0-9a-f]{2})*$/.test(hex)) throw new RangeError("not hex");
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

/** What is published before the draw: the SHA-256 of the seed, in hex. */
export async function commit_of(seed: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", seed));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Each part after its length in four bytes, numbers as decimal digits: never ambiguous. */
function packed(...parts: (string | number)[]): Uint8Array<ArrayBuffer> {
  const texts = parts.map((part) => new TextEncoder().encode(String(part)));
  const bytes = new Uint8Array(texts.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const text of texts) {
    view.setUint32(at, text.length);
    bytes.set(text, at + 4);
    at += 4 + text.length;
  }
  return bytes;
}

function joined(
  first: Uint8Array<ArrayBuffer>,
  second: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The permutation of one bucket of one item's draw; `size` is how many joined. */
export class Places {
  readonly size: number;
  readonly #bits: number;
  readonly #key: Promise<CryptoKey>;
  readonly #rounds: Uint8Array<ArrayBuffer>[];

  constructor(seed: Uint8Array<ArrayBuffer>, item: number, bucket: number, size: number) {
    if (!Number.isInteger(size) || size < 0 || size > SIZE_MAX) {
      throw new RangeError(`a lobby of ${size}`);
    }
    this.size = size;
    const last = Math.max(size, 1) - 1;
    const last_bits = last === 0 ? 0 : Math.floor(Math.log2(last)) + 1;
    this.#bits = Math.max(1, Math.ceil(last_bits / 2));
    const hmac = { name: "HMAC", hash: "SHA-256" };
    this.#key = crypto.subtle.importKey("raw", seed, hmac, false, ["sign"]);
    this.#rounds = Array.from({ length: ROUNDS }, (_, round) =>
      packed(DOMAIN, item, bucket, size, round),
    );
  }

  /** The place of lobby number `number`; rejects with RangeError unless 0 ≤ number < size. */
  async place_of(number: number): Promise<number> {
    if (!Number.isInteger(number) || number < 0 || number >= this.size) {
      throw new RangeError(`lobby number ${number} of ${this.size}`);
    }
    const key = await this.#key;
    let place = await this.#once(key, number);
    // Ends: the walk stays on the number's own cycle, and the number itself is below size.
    while (place >= this.size) place = await this.#once(key, place);
    return place;
  }

  async #once(key: CryptoKey, value: number): Promise<number> {
    const mask = (1 << this.#bits) - 1;
    let left = value >> this.#bits;
    let right = value & mask;
    for (const begun of this.#rounds) {
      const signed = await crypto.subtle.sign("HMAC", key, joined(begun, packed(right)));
      const out = new DataView(signed).getUint16(0) & mask;
      [left, right] = [right, left ^ out];
    }
    return (left << this.#bits) | right;
  }
}
