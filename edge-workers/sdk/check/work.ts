/**
 * ALTCHA's proof of work in the page, by the project's own library. Not by its widget: that is a
 * checkbox with 25 kB of its own, and there is nothing here to tick. Not in a `Worker`: the page of
 * another shop could not load its script from here. PBKDF2 runs beside the page's thread anyway.
 */

import { solveChallenge } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/web/pbkdf2";
import type { Challenge } from "altcha-lib/types";

/** ALTCHA's payload for a challenge. Throws when `signal` ends it. */
export async function work_on(challenge: Challenge, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort(), { once: true });
  const solution = await solveChallenge({ challenge, controller, deriveKey });
  signal.throwIfAborted();
  if (solution === null) throw new Error("the proof of work was not found");
  const { parameters, signature } = challenge;
  return btoa(JSON.stringify({ challenge: { parameters, signature }, solution }));
}
