import { describe, expect, test } from "vitest";
import { base64url, base64url_bytes, is_canonical_base64url, key_id } from "./compact.ts";

describe("base64url", () => {
  test("every length survives the way there and back", () => {
    for (let length = 1; length < 70; length += 1) {
      const bytes = crypto.getRandomValues(new Uint8Array(length));
      const text = base64url(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64url"));
      expect(is_canonical_base64url(text)).toBe(true);
      expect(base64url_bytes(text)).toEqual(bytes);
    }
  });

  test("exactly the texts that encode back to themselves are canonical", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (const last of alphabet) {
      for (const start of ["", "A", "AA", "AAA", "AAAA", "AAAAA"]) {
        const text = start + last;
        const again = Buffer.from(text, "base64url").toString("base64url");
        expect(is_canonical_base64url(text), text).toBe(again === text);
      }
    }
  });

  test.each(["", "A", "AA==", "AA+A", "AA/A", " AAA", "AAA\n", "AAé"])("%o is not", (text) => {
    expect(is_canonical_base64url(text)).toBe(false);
    expect(() => base64url_bytes(text)).toThrow(TypeError);
  });
});

const token = (header: unknown) =>
  `${Buffer.from(JSON.stringify(header)).toString("base64url")}.e30.AAAA`;

describe("the key id", () => {
  test("is read from a plain HS256 header, with or without typ", () => {
    expect(key_id(token({ alg: "HS256", typ: "JWT", kid: "k" }))).toBe("k");
    expect(key_id(token({ kid: "k", alg: "HS256" }))).toBe("k");
  });

  test.each([
    ["alg none", { alg: "none", kid: "k" }],
    ["alg HS512", { alg: "HS512", kid: "k" }],
    ["no alg", { kid: "k" }],
    ["another typ", { alg: "HS256", typ: "at+jwt", kid: "k" }],
    ["no kid", { alg: "HS256" }],
    ["an empty kid", { alg: "HS256", kid: "" }],
    ["a number as kid", { alg: "HS256", kid: 1 }],
    ["jwk", { alg: "HS256", kid: "k", jwk: {} }],
    ["jku", { alg: "HS256", kid: "k", jku: "https://keys.example" }],
    ["x5u", { alg: "HS256", kid: "k", x5u: "https://keys.example" }],
    ["crit", { alg: "HS256", kid: "k", crit: ["exp"] }],
    ["b64", { alg: "HS256", kid: "k", b64: false }],
    ["a list", []],
    ["null", null],
  ])("is refused for a header with %s", (_name, header) => {
    expect(key_id(token(header))).toBeNull();
  });

  test.each([
    ["two segments", "e30.e30"],
    ["four segments", `${token({ alg: "HS256", kid: "k" })}.AAAA`],
    ["no signature", "e30.e30."],
    ["padding", `${token({ alg: "HS256", kid: "k" })}A=`],
    ["unused bits set in its signature", `${token({ alg: "HS256", kid: "k" })}AB`],
    ["unused bits set in its claims", token({ alg: "HS256", kid: "k" }).replace("e30", "e31")],
    ["a character of ordinary base64", `${token({ alg: "HS256", kid: "k" })}+AAA`],
    ["a header that is not JSON", "AAAA.e30.AAAA"],
    ["more than 2 KiB", `${token({ alg: "HS256", kid: "k" })}${"AAAA".repeat(600)}`],
  ])("is refused for a token with %s", (_name, text) => {
    expect(key_id(text)).toBeNull();
  });
});
