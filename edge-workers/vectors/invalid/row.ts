/** One invalid vector. */

import type { Fault } from "../reference_verifier.ts";

/** `fault` is the one rule it breaks: checked by the test, not written to the file. */
export interface InvalidVector {
  name: string;
  token: string;
  why: string;
  fault: Fault;
}

/** A row of the tables in this folder. */
export function row(fault: Fault, name: string, token: string, why: string): InvalidVector {
  return { name, token, why, fault };
}
