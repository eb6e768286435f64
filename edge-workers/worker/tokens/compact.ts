/**
 * The strict outer shape of a compact JWS, checked before any key is looked up.
 *
 * jose is lenient where a stricter reader elsewhere (the Lua gateway, the Python control plane)
 * is not, and a token that only some readers accept is a hole. So: three segments, canonical
 * base64url (RFC 4648 §3.5: no padding, zero trailing bits), a closed set of header fields, so that
 * none of them can bring a key along (RFC 8725 §3.10), and HS256 only (RFC 8725 §3.1).
 */

/** Longest token anybody may send, in characters. Ours are below 500. */
export const TOKEN_MAX_CHARS = 2048;

/** Clock difference forgiven between the signer and the reader. */
export const LEEWAY_S = 5;

// A final group of 2 characters carries 8 bits in 12, of 3 characters 16 in 18: the left-over bits
// must be zero, which leaves these last characters.
const CANONICAL =
  /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$/;

const HEADER_FIELDS: ReadonlySet<string> = new Set(["alg", "typ", "kid"]);

/** Whether `segment` is non-empty base64url in its only spelling. */
export function is_canonical_base64url(segment: string): boolean {
  return segment !== "" && CANONICAL.test(segment);
}

/** A byte a character. */
const binary = (encoded: string): string => atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));

/** Bytes of a canonical base64url text; throws on any other text. */
export function base64url_bytes(encoded: string): Uint8Array<ArrayBuffer> {
  if (!is_canonical_base64url(encoded)) throw new TypeError("not canonical base64url");
  return Uint8Array.from(binary(encoded), (character) => character.charCodeAt(0));
}

/** base64 with padding, of any length: a call has no room for as many arguments as an image has bytes. */
export function base64(bytes: Uint8Array): string {
  let characters = "";
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/** base64url without padding. */
export function base64url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The `kid` of a well-shaped HS256 token, or null: the token is then refused without more work. */
export function key_id(token: string): string | null {
  if (token.length > TOKEN_MAX_CHARS) return null;
  const segments = token.split(".");
  if (segments.length !== 3 || !segments.every(is_canonical_base64url)) return null;
  let header: unknown;
  try {
    // Read as Latin-1, which is right for ASCII; no key of ours has any other name.
    header = JSON.parse(binary(segments[0] as string));
  } catch {
    return null;
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) return null;
  if (!Object.keys(header).every((field) => HEADER_FIELDS.has(field))) return null;
  const { alg, typ, kid } = header as Record<string, unknown>;
  if (alg !== "HS256" || (typ !== undefined && typ !== "JWT")) return null;
  return typeof kid === "string" && kid !== "" ? kid : null;
}
