/** A name that nobody else has: 128 random bits, in letters that headers and names may hold. */

/** `crypto.randomUUID` would be shorter, but pages without TLS do not have it. */
export function random_id(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
