import { describe, expect, test } from "vitest";
import { build_vectors, INVALID } from "../../vectors/entry_tokens.ts";
import { CLAIMS, HEADER, ITEM, KEYS, NOW_S, sealed, with_claims } from "../../vectors/sealed.ts";
import type { Bound } from "../check/bound.ts";
import { base64url_bytes } from "./compact.ts";
import { ENTRY_TTL_S, PUZZLE_COUNTS_S } from "./entry.ts";
import { RENEWAL_S, renewable } from "./renewal.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" };
const keys = new Map<string, CryptoKey>();
for (const { kid, secret } of KEYS) {
  const bytes = base64url_bytes(secret);
  keys.set(kid, await crypto.subtle.importKey("raw", bytes, HMAC, false, ["verify"]));
}
const NOW_MS = NOW_S * 1000;
const OWNER: Bound = { item: ITEM, shopper: CLAIMS.sub, device: CLAIMS.dev };
const { valid } = await build_vectors();

describe("of the golden vectors", () => {
  test.each(valid)("$name can be renewed", async ({ token, claims }) => {
    const { sub: shopper, dev: device, rs } = claims as unknown as typeof CLAIMS;
    const bound = { item: ITEM, shopper, device };
    const still_counts = Number(claims.pz) > NOW_S;
    expect(await renewable(token, keys, bound, NOW_MS)).toEqual({
      risk: rs,
      puzzle_until_s: still_counts ? claims.pz : null,
    });
  });

  test.each(INVALID.filter(({ name }) => !name.startsWith("expired")))(
    "$name cannot",
    async ({ token }) => {
      expect(await renewable(token, keys, OWNER, NOW_MS)).toBeNull();
    },
  );
});

describe("an entry token", () => {
  const risk = async (claims: object, bound = OWNER, now_ms = NOW_MS) =>
    (await renewable(with_claims({ rs: 42, ...claims }), keys, bound, now_ms))?.risk ?? null;

  test("keeps its risk until ten minutes after its end, to the millisecond", async () => {
    const last_ms = (CLAIMS.exp + RENEWAL_S) * 1000;
    expect(await risk({}, OWNER, last_ms - 1)).toBe(42);
    expect(await risk({}, OWNER, last_ms)).toBeNull();
  });

  test("keeps its puzzle to the millisecond of its own end, which renewing does not move", async () => {
    const { jti, nbf, iat, exp, ...before } = CLAIMS;
    const pz = NOW_S + 30;
    const token = sealed(
      JSON.stringify(HEADER),
      JSON.stringify({ ...before, pz, jti, nbf, iat, exp }),
    );
    const until = async (now_ms: number) =>
      (await renewable(token, keys, OWNER, now_ms))?.puzzle_until_s;
    expect(await until(pz * 1000 - 1)).toBe(pz);
    expect(await until(pz * 1000)).toBeNull();
    const late = { ...before, pz: iat + PUZZLE_COUNTS_S + 1, jti, nbf, iat, exp };
    const too_long = sealed(JSON.stringify(HEADER), JSON.stringify(late));
    expect(await renewable(too_long, keys, OWNER, NOW_MS)).toBeNull();
  });

  test.each([
    ["item", { ...OWNER, item: 8 }],
    ["shopper", { ...OWNER, shopper: "bob" }],
    ["device", { ...OWNER, device: "another-device" }],
  ])("of another %s is not taken", async (_what, bound) => {
    expect(await risk({}, bound)).toBeNull();
  });

  test.each([
    ["of the lobby", { aud: "sluice-lobby" }],
    ["for several doors", { aud: ["sluice-gateway", "sluice-lobby"] }],
    ["of somebody else", { iss: "demo" }],
    ["with a claim more", { renewed: true }],
    ["of the future", { nbf: NOW_S + 60, iat: NOW_S + 60, exp: NOW_S + 60 + ENTRY_TTL_S }],
    ["that lives too long", { exp: CLAIMS.iat + ENTRY_TTL_S + 1 }],
    ["with half a risk", { rs: 4.5 }],
    ["with too much of it", { rs: 101 }],
    ["without an end", { exp: undefined }],
  ])("%s is not taken", async (_what, claims) => {
    expect(await risk(claims)).toBeNull();
  });

  test("of a key that is not live any more is not taken", async () => {
    expect(await renewable(with_claims({}), new Map(), OWNER, NOW_MS)).toBeNull();
  });
});
