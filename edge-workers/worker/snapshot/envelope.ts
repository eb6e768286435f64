/** The envelope of a snapshot, `{"version", "mac", "body"}`, opened and made ready to use. */

import { base64url_bytes } from "../tokens/compact.ts";
import type { EntryKey } from "../tokens/entry.ts";
import type { SessionKey } from "../tokens/session.ts";
import {
  DocumentError,
  type Item,
  type KeyText,
  read_document,
  type SnapshotDocument,
} from "./document.ts";

const HMAC_SHA256 = { name: "HMAC", hash: "SHA-256" };
const MAC_HEX = /^[0-9a-f]{64}$/;
/** RFC 7518 §3.2: an HS256 key is at least as long as the hash. */
const KEY_MIN_BYTES = 32;

/** A verified snapshot with its keys imported, once per version instead of once per request. */
export interface Snapshot {
  version: number;
  items: ReadonlyMap<number, Item>;
  signing_key: EntryKey;
  /** What entry tokens are verified with, by `kid`. */
  entry_keys: ReadonlyMap<string, CryptoKey>;
  session_keys: ReadonlyMap<string, SessionKey>;
  /** What is wrong with the session keys that had to be left out. */
  unusable_keys: readonly string[];
  canary_percent: number;
  trace_sampling: number;
  rate_limits: SnapshotDocument["rate_limits"];
}

/** The envelope is not from the control plane, or was changed under way. */
export class EnvelopeError extends Error {
  override name = "EnvelopeError";
}

async function import_key({ kid, secret }: KeyText, usage: "sign" | "verify"): Promise<CryptoKey> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = base64url_bytes(secret);
  } catch {
    throw new DocumentError(`the secret of key ${kid} must be canonical base64url`);
  }
  if (bytes.length < KEY_MIN_BYTES) {
    throw new DocumentError(`the secret of key ${kid} must have ${KEY_MIN_BYTES} bytes or more`);
  }
  return crypto.subtle.importKey("raw", bytes, HMAC_SHA256, false, [usage]);
}

async function verify_mac(body: string, mac: string, mac_key: string): Promise<boolean> {
  const utf8 = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", utf8.encode(mac_key), HMAC_SHA256, false, [
    "verify",
  ]);
  const claimed = Uint8Array.from(mac.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  return crypto.subtle.verify("HMAC", key, claimed, utf8.encode(body));
}

function parse(json: string, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below: the parser's message would quote the text, and the text holds keys.
  }
  throw new EnvelopeError(`${what} is not a JSON object`);
}

/**
 * Opens an envelope: MAC over the exact bytes of `body` first, then the document's shape, then the
 * keys. Throws `EnvelopeError` or `DocumentError`; neither message holds a secret.
 */
export async function open_envelope(received: string, mac_key: string): Promise<Snapshot> {
  const { version, mac, body } = parse(received, "the envelope");
  if (typeof mac !== "string" || !MAC_HEX.test(mac) || typeof body !== "string") {
    throw new EnvelopeError("the envelope must have a hexadecimal mac and a text body");
  }
  if (!(await verify_mac(body, mac, mac_key))) throw new EnvelopeError("the mac does not match");
  const document = read_document(parse(body, "the body"));
  if (document.version !== version) {
    throw new EnvelopeError("the envelope's version is not the document's");
  }
  const { kid } = document.signing_key;
  const signing_key = { kid, key: await import_key(document.signing_key, "sign") };
  const entry_keys = new Map<string, CryptoKey>();
  for (const one of document.entry_keys) entry_keys.set(one.kid, await import_key(one, "verify"));
  const { items, canary_percent, trace_sampling, rate_limits } = document;
  const sessions = await import_session_keys(document.session_keys);
  return {
    version: document.version,
    items,
    signing_key,
    entry_keys,
    ...sessions,
    canary_percent,
    trace_sampling,
    rate_limits,
  };
}

/** Keys come from merchants: a bad one costs that merchant its sessions, nobody else the sale. */
async function import_session_keys(
  keys: SnapshotDocument["session_keys"],
): Promise<Pick<Snapshot, "session_keys" | "unusable_keys">> {
  const session_keys = new Map<string, SessionKey>();
  const unusable_keys: string[] = [];
  for (const { merchant, ...key_text } of keys) {
    try {
      session_keys.set(key_text.kid, { merchant, key: await import_key(key_text, "verify") });
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      unusable_keys.push(error.message);
    }
  }
  return { session_keys, unusable_keys };
}
