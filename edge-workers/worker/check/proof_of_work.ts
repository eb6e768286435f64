/** ALTCHA's proof of work (protocol v2), by `altcha-lib`: nothing is stored, everything is signed. */

import { createChallenge, verifySolution } from "altcha-lib";
import { deriveKey } from "altcha-lib/algorithms/web/pbkdf2";
import type { Challenge, Solution } from "altcha-lib/types";
import { type Binding, type Bound, holds } from "./bound.ts";

/**
 * PBKDF2 runs natively in browsers, 0.08 ms for 200 rounds on this machine, so a person's page is not
 * slower at it than a robot's program. One round is also what issuing costs the edge.
 */
const ALGORITHM = "PBKDF2/SHA-256";
const ROUNDS = 200;
/**
 * How many keys have to be tried: 1,000 on the average and 1,500 at most, 0.1 to 0.3 s of a desktop
 * and around a second of an old phone. A robot pays a tenth of a core-second a shopper: a price, not
 * a wall. `LONG` is for who takes the wait in place of the puzzle.
 */
export const USUAL = { least: 500, most: 1_500 };
export const LONG = { least: 8_000, most: 12_000 };
export type Amount = typeof USUAL;

/** The challenge is as long as ALTCHA's fields need; the solution is a number and a key. */
export const PAYLOAD_MAX_CHARS = 2_000;

const MAX_UINT32 = 2 ** 32;

/** Unpredictable, unlike `Math.random`: who foresees the counter need not search it. */
function counter_within({ least, most }: Amount): number {
  const [drawn = 0] = crypto.getRandomValues(new Uint32Array(1));
  return least + Math.floor((drawn / MAX_UINT32) * (most - least + 1));
}

export class ProofOfWork {
  readonly #secrets: { hmacSignatureSecret: string; hmacKeySignatureSecret: string };

  constructor(check_key: string) {
    this.#secrets = {
      hmacSignatureSecret: `${check_key}/challenge`,
      hmacKeySignatureSecret: `${check_key}/key`,
    };
  }

  /** A challenge in ALTCHA's words. `data` says whom it is for; it is signed and not secret. */
  ask(binding: Binding, amount: Amount): Promise<Challenge> {
    return createChallenge({
      ...this.#secrets,
      algorithm: ALGORITHM,
      cost: ROUNDS,
      counter: counter_within(amount),
      deriveKey,
      data: { ...binding },
    });
  }

  /**
   * The id of a right answer, or null. `payload` is ALTCHA's: base64 of `{challenge, solution}`. That
   * it was not used before is the caller's to ask.
   */
  async accept(payload: string, bound: Bound, of: string, now_ms: number): Promise<string | null> {
    const parsed = parse(payload);
    if (parsed === null) return null;
    const { challenge, solution } = parsed;
    // Before the signature, since it costs nothing; what is forged is refused below.
    if (!holds(challenge.parameters.data, bound, of, now_ms)) return null;
    try {
      const { verified } = await verifySolution({
        ...this.#secrets,
        challenge,
        solution,
        deriveKey,
      });
      return verified ? challenge.parameters.nonce : null;
    } catch {
      // The library throws at parameters that are not hexadecimal: a validator that throws refuses.
      return null;
    }
  }
}

function parse(payload: string): { challenge: Challenge; solution: Solution } | null {
  if (payload.length > PAYLOAD_MAX_CHARS) return null;
  try {
    const { challenge, solution } = JSON.parse(atob(payload));
    const { parameters, signature } = challenge;
    const { counter, derivedKey } = solution;
    if (typeof parameters !== "object" || parameters === null) return null;
    if (typeof parameters.nonce !== "string" || typeof signature !== "string") return null;
    return { challenge: { parameters, signature }, solution: { counter, derivedKey } };
  } catch {
    return null;
  }
}
