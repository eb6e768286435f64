/**
 * Gives Node 18 (Debian 12) the `crypto` global that the worker finds in workerd, on Cloudflare
 * and in Node ≥ 20. Imported for its effect, by the tests and by the vector writer only.
 */
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto as Crypto;
