import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { build_vectors, INVALID, vectors_text } from "./entry_tokens.ts";
import { fault_of } from "./reference_verifier.ts";

const { keys, now, item, valid, invalid } = await build_vectors();
const reader = { keys, now_s: now, item };

test("the committed file is what `npm run vectors` writes", async () => {
  const path = new URL("../../tests/vectors/entry_tokens.json", import.meta.url);
  expect(await readFile(path, "utf8")).toBe(await vectors_text());
});

test("names are unique", () => {
  const names = [...valid, ...invalid].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

describe("valid tokens", () => {
  test.each(valid)("$name is accepted", ({ name, token, claims }) => {
    expect(fault_of(token, reader)).toBeNull();
    expect(Object.keys(claims)).toEqual([
      "iss",
      "aud",
      "sub",
      "item",
      "dev",
      "lvl",
      "rs",
      ...(name.startsWith("puzzle") ? ["pz"] : []),
      "jti",
      "nbf",
      "iat",
      "exp",
    ]);
  });

  test.each(valid)("$name has the exact header", ({ token }) => {
    const header = Buffer.from(token.split(".")[0] as string, "base64url").toString();
    expect(keys.map(({ kid }) => `{"alg":"HS256","typ":"JWT","kid":"${kid}"}`)).toContain(header);
  });
});

describe("invalid tokens", () => {
  test.each(INVALID)("$name breaks the rule it claims to break", ({ token, fault }) => {
    expect(fault_of(token, reader)).toBe(fault);
  });
});
