import { beforeAll, describe, expect, test } from "vitest";
import { DEMO_KEY, NOW_MS, OTHER_KEY, session, session_claims, sign } from "../../fixtures/sale.ts";
import { base64url_bytes } from "./compact.ts";
import { type SessionKey, verify_session } from "./session.ts";

const NOW_S = NOW_MS / 1000;
const HEADER = { alg: "HS256", typ: "JWT", kid: DEMO_KEY.kid };
const keys = new Map<string, SessionKey>();

const hmac_key = (secret: string) =>
  crypto.subtle.importKey(
    "raw",
    base64url_bytes(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );

beforeAll(async () => {
  keys.set(DEMO_KEY.kid, { merchant: "demo", key: await hmac_key(DEMO_KEY.secret) });
  keys.set(OTHER_KEY.kid, { merchant: "other", key: await hmac_key(OTHER_KEY.secret) });
});

const verify = (token: string) => verify_session(token, keys, NOW_MS);

describe("a good session is accepted", () => {
  test("and says merchant, shopper and level", async () => {
    expect(await verify(session())).toEqual({
      merchant: "demo",
      shopper: "shopper-1",
      level: "regular",
    });
  });

  test.each([
    ["a level of its own", { lvl: "vip" }],
    ["every allowed kind of character", { sub: "AZaz09._:-" }],
    ["a shopper of 64 characters", { sub: "s".repeat(64) }],
    ["a life of exactly a day", { exp: NOW_S + 86_400 }],
    ["an end 4 s ago", { iat: NOW_S - 100, exp: NOW_S - 4 }],
    ["a start 4 s ahead", { iat: NOW_S + 4, nbf: NOW_S + 4, exp: NOW_S + 100 }],
    ["a claim nobody knows", { email: "a@shop.example" }],
  ])("with %s", async (_name, overrides) => {
    const claims = session_claims(overrides);
    expect(await verify(session(overrides))).toMatchObject({ shopper: claims.sub });
  });
});

describe("a session is refused", () => {
  test.each([
    ["for another audience", { aud: "sluice-gateway" }],
    ["for a list of audiences", { aud: ["sluice"] }],
    ["without an audience", { aud: undefined }],
    ["from another merchant under this key", { iss: "other" }],
    ["without an issuer", { iss: undefined }],
    ["without a shopper", { sub: undefined }],
    ["with an empty shopper", { sub: "" }],
    ["with a number as shopper", { sub: 1 }],
    ["with a brace in the shopper", { sub: "a}b" }],
    ["with a line feed in the shopper", { sub: "shopper-1\n" }],
    ["with a shopper of 65 characters", { sub: "s".repeat(65) }],
    ["when expired", { iat: NOW_S - 100, exp: NOW_S - 6 }],
    ["without an end", { exp: undefined }],
    ["with a text as end", { exp: String(NOW_S + 60) }],
    ["when longer than a day", { exp: NOW_S + 86_401 }],
    ["without a beginning", { iat: undefined }],
    ["when issued in the future", { iat: NOW_S + 60 }],
    ["before its nbf", { nbf: NOW_S + 60 }],
    ["with a number as level", { lvl: 1 }],
    ["with a level outside its characters", { lvl: "VIP!" }],
  ])("%s", async (_name, overrides) => {
    expect(await verify(session(overrides))).toBeNull();
  });

  test("when signed with another merchant's key", async () => {
    const forged = sign({ ...HEADER, kid: DEMO_KEY.kid }, session_claims(), OTHER_KEY.secret);
    expect(await verify(forged)).toBeNull();
    const own_kid = sign({ ...HEADER, kid: OTHER_KEY.kid }, session_claims(), OTHER_KEY.secret);
    expect(await verify(own_kid)).toBeNull();
  });

  test("when its key is unknown", async () => {
    const token = sign({ ...HEADER, kid: "retired" }, session_claims(), DEMO_KEY.secret);
    expect(await verify(token)).toBeNull();
  });

  test("when alg is none", async () => {
    const token = sign({ ...HEADER, alg: "none" }, session_claims(), DEMO_KEY.secret);
    expect(await verify(token)).toBeNull();
    expect(await verify(`${token.split(".").slice(0, 2).join(".")}.`)).toBeNull();
  });

  test("when any one bit of the signature differs", async () => {
    const [header, payload, signature] = session().split(".") as [string, string, string];
    const bytes = Buffer.from(signature, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const wrong = Buffer.from(bytes);
      wrong[bit >> 3] = (wrong[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await verify(`${header}.${payload}.${wrong.toString("base64url")}`)).toBeNull();
    }
  });

  test("when the payload is not an object of claims", async () => {
    for (const payload of [[], null, "shopper-1", 7, true]) {
      expect(await verify(sign(HEADER, payload, DEMO_KEY.secret))).toBeNull();
    }
  });

  test.each(["", ".", "..", "a.b.c", `${session()}.`, `${session()}=`, ` ${session()}`])(
    "when it is not a token at all: %o",
    async (text) => {
      expect(await verify(text)).toBeNull();
    },
  );
});
