/** Who buys: the merchant's session, and the device. */

import { random_id } from "./random_id.ts";

/** A session as the integrator gives it: the JWT, or a function that fetches one. */
export type SessionSource = string | null | (() => Promise<string | null>);

/** The session of a visit, fetched once and again when it was refused. */
export class Visit {
  readonly #source: () => SessionSource;
  #session: Promise<string | null> | null = null;

  /** `source` is asked each time, so that a shop may renew a session that it gave as a text. */
  constructor(source: () => SessionSource) {
    this.#source = source;
  }

  /** The session; null when the shop gives none. Rejects when the shop's function does. */
  session(): Promise<string | null> {
    this.#session ??= this.#fetch().then(
      (session) => {
        // Nobody is signed in yet. He may be when he presses again.
        if (session === null) this.#session = null;
        return session;
      },
      (error: unknown) => {
        this.#session = null;
        throw error;
      },
    );
    return this.#session;
  }

  /** It was refused: the next one is asked for anew. */
  forget(): void {
    this.#session = null;
  }

  async #fetch(): Promise<string | null> {
    const source = this.#source();
    const session = typeof source === "function" ? await source() : source;
    return session === "" ? null : session;
  }
}

/** The shopper a session names. Read, not verified: it only says under which name things are kept. */
export function shopper_of(session: string): string {
  try {
    const letters = (session.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(letters)) as { sub?: unknown };
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}

/** A name for this browser that lasts as long as its storage: what there is without the human check. */
export async function lasting_device(): Promise<string> {
  const name = "sluice.device";
  try {
    const known = localStorage.getItem(name);
    if (known !== null) return known;
    const fresh = random_id();
    localStorage.setItem(name, fresh);
    return fresh;
  } catch {
    return random_id();
  }
}
