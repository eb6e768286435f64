/** The shapes in which a human check may be answered in the body of an entry, and no others. */

import { TRACE_MAX_CHARS } from "../../shared/trace.ts";
import { TOKEN_MAX_CHARS as ENTRY_MAX_CHARS } from "../tokens/compact.ts";
import { PAYLOAD_MAX_CHARS } from "./proof_of_work.ts";
import { WIDTH } from "./puzzle.ts";
import { TOKEN_MAX_CHARS } from "./turnstile.ts";

export type CheckAnswer =
  | { provider: "altcha"; payload: string; trace: string; puzzle?: 1 }
  | { provider: "turnstile"; token: string; trace: string; puzzle?: 1 }
  | { provider: "slider"; token: string; x: number }
  | { provider: "slider"; token: string; payload: string }
  | { provider: "renewal"; token: string };

const SEALED_MAX_CHARS = 1_024;

/** What a field has to be, in words for who got it wrong. */
interface Field {
  name: string;
  is: (value: string | number) => boolean;
  expected: string;
}

const chars = (name: string, pattern: RegExp, most: number): Field => ({
  name,
  is: (value) => typeof value === "string" && value.length <= most && pattern.test(value),
  expected: `at most ${most} characters of ${pattern.source.slice(1, -2)}`,
});

const PAYLOAD = chars("payload", /^[A-Za-z0-9+/=]+$/, PAYLOAD_MAX_CHARS);
const TRACE = chars("trace", /^[A-Za-z0-9_-]+$/, TRACE_MAX_CHARS);
const SEALED = chars("token", /^[A-Za-z0-9._-]+$/, SEALED_MAX_CHARS);
const PLACE: Field = {
  name: "x",
  is: (value) => typeof value === "number" && value >= 0 && value <= WIDTH,
  expected: `a whole number from 0 to ${WIDTH}`,
};

/** A gateway has challenged the token of before: he wants the puzzle, whatever his score. */
const PUZZLE: Field = { name: "puzzle", is: (value) => value === 1, expected: "1" };
const TURNSTILE = chars("token", /^[A-Za-z0-9._-]+$/, TOKEN_MAX_CHARS);

const SHAPES: ReadonlyMap<unknown, readonly (readonly Field[])[]> = new Map([
  [
    "altcha",
    [
      [PAYLOAD, TRACE],
      [PAYLOAD, TRACE, PUZZLE],
    ],
  ],
  [
    "turnstile",
    [
      [TURNSTILE, TRACE],
      [TURNSTILE, TRACE, PUZZLE],
    ],
  ],
  [
    "slider",
    [
      [SEALED, PLACE],
      [SEALED, PAYLOAD],
    ],
  ],
  ["renewal", [[chars("token", /^[A-Za-z0-9._-]+$/, ENTRY_MAX_CHARS)]]],
]);

/** A flat JSON object without escapes: a parser would hide a field that is there twice. */
const PAIR = /\s*"([a-z_]{1,16})"\s*:\s*(?:"([^"\\]*)"|(0|[1-9][0-9]{0,5}))\s*(,|$)/gy;

/** Reads the text between the braces. Calls `refuse`, which throws, with what is wrong. */
export function read_answer(inside: string, refuse: (detail: string) => never): CheckAnswer {
  const found = new Map<string, string | number>();
  PAIR.lastIndex = 0;
  let end = 0;
  for (let ends = false; !ends; ) {
    const pair = PAIR.exec(inside);
    if (pair === null) refuse("check must be a flat object of texts and whole numbers");
    const [, name = "", text, digits] = pair;
    if (found.has(name)) refuse(`check.${name} is there twice`);
    found.set(name, text ?? Number(digits));
    ends = pair[4] === "";
    end = PAIR.lastIndex;
  }
  if (end !== inside.length) refuse("check must be a flat object of texts and whole numbers");
  const provider = found.get("provider");
  const shapes = SHAPES.get(provider);
  if (shapes === undefined) {
    refuse(`check.provider must be one of ${[...SHAPES.keys()].join(", ")}`);
  }
  found.delete("provider");
  const shape = shapes.find(
    (fields) => fields.length === found.size && fields.every(({ name }) => found.has(name)),
  );
  if (shape === undefined) refuse(`check has other fields than an answer to ${provider} has`);
  const wrong = shape.find(({ name, is }) => !is(found.get(name) ?? ""));
  if (wrong !== undefined) refuse(`check.${wrong.name} must be ${wrong.expected}`);
  return { provider, ...Object.fromEntries(found) } as CheckAnswer;
}
