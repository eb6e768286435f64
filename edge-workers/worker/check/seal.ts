/** Sealed text (AES-256-GCM): who holds it can neither read nor change it. */

import { base64url, base64url_bytes } from "../tokens/compact.ts";

const IV_BYTES = 12;

export interface Opened {
  /** Differs for everything that was ever sealed. */
  id: string;
  value: unknown;
}

export class Seal {
  #key: Promise<CryptoKey> | null = null;
  readonly #secret: string;

  constructor(check_key: string, purpose: string) {
    this.#secret = `${check_key}/${purpose}`;
  }

  async close(value: unknown): Promise<{ id: string; token: string }> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const text = new TextEncoder().encode(JSON.stringify(value));
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv },
      await this.#imported(),
      text,
    );
    return { id: base64url(iv), token: `${base64url(iv)}.${base64url(new Uint8Array(sealed))}` };
  }

  /** What was sealed, or null when it was not sealed here. */
  async open(token: string): Promise<Opened | null> {
    const [id = "", sealed = "", more] = token.split(".");
    try {
      const iv = base64url_bytes(id);
      if (more !== undefined || iv.length !== IV_BYTES) return null;
      const key = await this.#imported();
      const text = await crypto.subtle.decrypt(
        { name: "AES-GCM", iv },
        key,
        base64url_bytes(sealed),
      );
      return { id, value: JSON.parse(new TextDecoder().decode(text)) };
    } catch {
      return null;
    }
  }

  #imported(): Promise<CryptoKey> {
    this.#key ??= crypto.subtle
      .digest("SHA-256", new TextEncoder().encode(this.#secret))
      .then((bytes) =>
        crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]),
      );
    return this.#key;
  }
}
