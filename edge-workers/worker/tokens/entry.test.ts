import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { ENTRY_KEY, NOW_MS } from "../../fixtures/sale.ts";
import { base64url_bytes } from "./compact.ts";
import { type Entry, issue_entry, random_token_id } from "./entry.ts";

const NOW_S = NOW_MS / 1000;
const ENTRY = {
  item: 7,
  shopper: "shopper-1",
  device: "device-1",
  level: "regular",
  risk: 0,
  puzzle_until_s: null,
};

async function issue(now_ms: number, more: Partial<Entry> = {}) {
  const bytes = base64url_bytes(ENTRY_KEY.secret);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]);
  return issue_entry({ ...ENTRY, ...more }, { kid: ENTRY_KEY.kid, key }, now_ms, "token-id");
}

const text_of = (segment: string | undefined) => Buffer.from(segment ?? "", "base64url").toString();

test("header and claims are written exactly so, in this order", async () => {
  const { token, expires_at_ms } = await issue(NOW_MS + 999);
  const [header, claims] = token.split(".");
  expect(text_of(header)).toBe(`{"alg":"HS256","typ":"JWT","kid":"${ENTRY_KEY.kid}"}`);
  expect(text_of(claims)).toBe(
    '{"iss":"sluice-edge","aud":"sluice-gateway","sub":"shopper-1","item":7,"dev":"device-1",' +
      `"lvl":"regular","rs":0,"jti":"token-id","nbf":${NOW_S},"iat":${NOW_S},"exp":${NOW_S + 120}}`,
  );
  expect(expires_at_ms).toBe((NOW_S + 120) * 1000);
});

test("a puzzle that was passed stands behind the risk", async () => {
  const { token } = await issue(NOW_MS, { puzzle_until_s: NOW_S + 1800 });
  expect(text_of(token.split(".")[1])).toContain(`,"rs":0,"pz":${NOW_S + 1800},"jti":"token-id",`);
});

test("the signature is HMAC-SHA256 with the key's bytes", async () => {
  const { token } = await issue(NOW_MS);
  const [header, claims, signature] = token.split(".");
  const key = Buffer.from(ENTRY_KEY.secret, "base64url");
  const expected = createHmac("sha256", key).update(`${header}.${claims}`).digest("base64url");
  expect(signature).toBe(expected);
});

test("token ids are 128 random bits in base64url", () => {
  const ids = new Set(Array.from({ length: 1000 }, random_token_id));
  expect(ids.size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{21}[AQgw]$/);
});
