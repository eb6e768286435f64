import { describe, expect, test } from "vitest";
import { DEMO_KEY, document, ENTRY_KEY, envelope, SNAPSHOT_KEY } from "../../fixtures/sale.ts";
import { EnvelopeError, open_envelope } from "./envelope.ts";

const open = (text: string) => open_envelope(text, SNAPSHOT_KEY);
const changed = (overrides: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(envelope(document())), ...overrides });

test("a good envelope is opened, its keys ready to use", async () => {
  const snapshot = await open(envelope(document()));
  expect(snapshot.version).toBe(12);
  expect(snapshot.signing_key).toMatchObject({ kid: ENTRY_KEY.kid });
  expect(snapshot.signing_key.key.usages).toEqual(["sign"]);
  expect(snapshot.session_keys.get(DEMO_KEY.kid)?.merchant).toBe("demo");
  expect(snapshot.session_keys.get(DEMO_KEY.kid)?.key.extractable).toBe(false);
});

test("the mac covers the exact bytes, also of text that is not ASCII", async () => {
  const content = document({ campaigns: { 秒杀: { title: "双十一 😀" } } });
  expect((await open(envelope(content))).version).toBe(12);
});

describe("an envelope is refused", () => {
  test.each([
    ["with a mac by another key", envelope(document(), "another-key-of-the-tests")],
    ["with a mac of zeros", changed({ mac: "0".repeat(64) })],
    ["with a short mac", changed({ mac: "00" })],
    ["with a mac that is not hexadecimal", changed({ mac: "g".repeat(64) })],
    ["without a mac", changed({ mac: undefined })],
    ["with a changed body", changed({ body: JSON.stringify(document({ version: 13 })) })],
    [
      "with the same document spelled otherwise",
      changed({ body: JSON.stringify(document(), null, 1) }),
    ],
    ["with a body that is no text", changed({ body: document() })],
    ["with another version than the document's", changed({ version: 13 })],
    ["with its version as text", changed({ version: "12" })],
    ["that is not JSON", "<html>"],
    ["that is null", "null"],
  ])("%s", async (_name, text) => {
    await expect(open(text)).rejects.toThrow(EnvelopeError);
  });
});

describe("keys", () => {
  const with_entry_secret = (secret: string) =>
    envelope(document({ entry_keys: [{ kid: "e-9", secret, sign: true }] }));

  test.each([
    ["too short", Buffer.alloc(31).toString("base64url")],
    ["padded", `${Buffer.alloc(32).toString("base64url")}=`],
    ["not base64url", "+".repeat(44)],
  ])("a signing key that is %s refuses the snapshot by its kid", async (_name, secret) => {
    await expect(open(with_entry_secret(secret))).rejects.toThrow("key e-9");
    await expect(open(with_entry_secret(secret))).rejects.not.toThrow(secret);
  });

  test("a merchant's bad key is left out and named, the sale goes on", async () => {
    const bad = { kid: "bad-1", secret: "short" };
    const merchants = { demo: { session_keys: [DEMO_KEY] }, other: { session_keys: [bad] } };
    const snapshot = await open(envelope(document({ merchants })));
    expect([...snapshot.session_keys.keys()]).toEqual([DEMO_KEY.kid]);
    expect(snapshot.unusable_keys).toEqual([expect.stringContaining("key bad-1")]);
  });
});
