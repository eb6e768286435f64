import { beforeEach, describe, expect, test } from "vitest";
import { type Asked, answer_to, NOBODY, person } from "../../fixtures/check.ts";
import { control_plane_with, Edge } from "../../fixtures/edge.ts";
import { document, item, NOW_MS, session } from "../../fixtures/sale.ts";
import type { CheckAnswer } from "./answer.ts";
import { CHALLENGE_MS } from "./human_check.ts";

const DEVICE = "device-1";
const BOB = session({ sub: "bob" });
let edge: Edge;

beforeEach(() => {
  edge = new Edge();
  edge.control_plane = control_plane_with(
    document({
      switches: { sale_enabled: true },
      items: { "7": item(), "8": item({ id: 8 }) },
    }),
  );
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function ask(id = 7, token = session(), device = DEVICE): Promise<Asked> {
  const url = `/v1/items/${id}/check?device=${device}`;
  const response = await edge.fetch(url, { headers: bearer(token) });
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  return (await response.json()) as Asked;
}

const enter = (check?: CheckAnswer, id = 7, token = session(), device = DEVICE) =>
  edge.fetch(`/v1/items/${id}/entry`, {
    method: "POST",
    headers: bearer(token),
    body: JSON.stringify({ device, check }),
  });

async function claims_of(response: Response) {
  expect(response.status).toBe(200);
  const { entry_token } = (await response.json()) as { entry_token: string };
  return JSON.parse(Buffer.from(entry_token.split(".")[1] ?? "", "base64url").toString());
}

async function expect_challenge(response: Response, detail: string) {
  expect(response.status).toBe(403);
  const body = (await response.json()) as Record<string, unknown>;
  expect(body).toMatchObject({ code: "challenge", detail });
  expect(body).not.toHaveProperty("entry_token");
  return body;
}

const NOT_PASSED = "the check was not passed, was used or has expired";

describe("who answers the check", () => {
  test("is let in, with his score in the token", async () => {
    const claims = await claims_of(await enter(await answer_to(await ask())));
    expect(claims.rs).toBeGreaterThanOrEqual(0);
    expect(claims.rs).toBeLessThan(60);
    expect(claims).toMatchObject({ sub: "shopper-1", dev: DEVICE });
  });

  test("may join the lobby by it", async () => {
    const check = await answer_to(await ask());
    const join = () =>
      edge.fetch("/v1/items/7/lobby", {
        method: "POST",
        headers: bearer(session()),
        body: JSON.stringify({ device: DEVICE, check }),
      });
    expect((await join()).status).toBe(200);
    await expect_challenge(await join(), NOT_PASSED);
  });

  test("scores higher the more shoppers use his device", async () => {
    const scores: number[] = [];
    for (let shopper = 0; shopper < 6; shopper += 1) {
      const token = session({ sub: `s-${shopper}` });
      const check = await answer_to(await ask(7, token), person(2));
      // The same hands of six people would be a copy: each has his own trace.
      const trace = person(shopper + 10);
      const response = await enter({ ...check, trace } as CheckAnswer, 7, token);
      if (response.status === 200) scores.push((await claims_of(response)).rs);
    }
    expect(scores.at(-1)).toBeGreaterThan(scores[0] ?? 0);
  });
});

describe("an answer is refused", () => {
  test("when there is none", async () => {
    await expect_challenge(await enter(), "the check is missing");
  });

  test("the second time", async () => {
    const check = await answer_to(await ask());
    expect((await enter(check)).status).toBe(200);
    await expect_challenge(await enter(check), NOT_PASSED);
  });

  test("of another item, shopper or device", async () => {
    const check = await answer_to(await ask());
    await expect_challenge(await enter(check, 8), NOT_PASSED);
    await expect_challenge(await enter(check, 7, BOB), NOT_PASSED);
    await expect_challenge(await enter(check, 7, session(), "device-2"), NOT_PASSED);
    expect((await enter(check)).status, "none of them used it up").toBe(200);
  });

  test("when it is too late", async () => {
    const check = await answer_to(await ask());
    edge.now_ms += CHALLENGE_MS - 1;
    expect((await enter(check)).status).toBe(200);
    edge = new Edge();
    edge.control_plane = control_plane_with(document({ switches: { sale_enabled: true } }));
    edge.now_ms = NOW_MS + CHALLENGE_MS;
    await expect_challenge(await enter(check), NOT_PASSED);
  });

  test("of a provider that is not asked", async () => {
    const check: CheckAnswer = { provider: "turnstile", token: "t", trace: NOBODY };
    await expect_challenge(await enter(check), "the check is for another provider");
  });

  test.each([
    ["a lower counter", { solution: { counter: 1 } }],
    ["another key", { solution: { derivedKey: "00".repeat(32) } }],
    ["a prefix that any key has", { parameters: { keyPrefix: "00" } }],
    ["fewer rounds", { parameters: { cost: 1 } }],
    ["nobody's signature", { signature: "00".repeat(32) }],
    ["no signature of the key", { parameters: { keySignature: undefined } }],
    ["a nonce that is none", { parameters: { nonce: "zz" } }],
    ["more time", { parameters: { data: { expires_ms: NOW_MS + 10 * CHALLENGE_MS } } }],
  ])("with %s", async (name, change) => {
    const asked = await ask();
    const check = (await answer_to(asked)) as { payload: string; trace: string };
    const payload = JSON.parse(atob(check.payload));
    const { parameters, solution, signature } = change as Record<string, Record<string, unknown>>;
    Object.assign(payload.solution, solution);
    const data = { ...payload.challenge.parameters.data, ...((parameters?.data as object) ?? {}) };
    Object.assign(payload.challenge.parameters, parameters, { data });
    if (signature !== undefined) payload.challenge.signature = signature;
    const changed = { provider: "altcha", ...check, payload: btoa(JSON.stringify(payload)) };
    const response = await enter(changed as CheckAnswer);
    // ALTCHA's key signature makes the counter redundant: the key is the proof of the work.
    if (name === "a lower counter") expect(response.status).toBe(200);
    else await expect_challenge(response, NOT_PASSED);
  });

  test.each(["", "e30=", btoa("null"), btoa("[1]"), btoa('{"challenge":{}}')])(
    "that is %o",
    async (payload) => {
      const check: CheckAnswer = { provider: "altcha", payload, trace: NOBODY };
      const response = await enter(check);
      expect([400, 403]).toContain(response.status);
    },
  );
});

describe("who was let in before and shows that token", () => {
  const renewal = (token: string): CheckAnswer => ({ provider: "renewal", token });
  const token_of = async (response: Response) =>
    ((await response.json()) as { entry_token: string }).entry_token;
  const risk_in = (token: string) =>
    JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).rs as number;
  const NOT_RENEWED = "the token cannot be renewed without a check";

  test("is let in again with the same score, and again by that one", async () => {
    const first = await token_of(await enter(await answer_to(await ask())));
    edge.now_ms += 10 * 60_000;
    const second = await token_of(await enter(renewal(first)));
    edge.now_ms += 10 * 60_000;
    const third = await token_of(await enter(renewal(second)));
    expect(risk_in(first)).toBeGreaterThan(0);
    expect([risk_in(second), risk_in(third)]).toEqual([risk_in(first), risk_in(first)]);
  });

  test("is asked anew when that is too long ago, or was for somebody else", async () => {
    const token = await token_of(await enter(await answer_to(await ask())));
    await expect_challenge(await enter(renewal(token), 8), NOT_RENEWED);
    await expect_challenge(await enter(renewal(token), 7, BOB), NOT_RENEWED);
    await expect_challenge(await enter(renewal(token), 7, session(), "device-2"), NOT_RENEWED);
    edge.now_ms += 12 * 60_000;
    await expect_challenge(await enter(renewal(token)), NOT_RENEWED);
    await expect_challenge(await enter(renewal(session())), NOT_RENEWED);
  });

  test("is asked anew when nothing was asked of him before", async () => {
    const sale = { sale_enabled: true, human_check: false };
    edge.control_plane = control_plane_with(document({ switches: sale }));
    const token = await token_of(await enter());
    edge.control_plane = control_plane_with(
      document({ version: 13, switches: { ...sale, human_check: true } }),
    );
    edge.now_ms += 60_000;
    await expect_challenge(await enter(renewal(token)), NOT_RENEWED);
  });

  test("is asked anew when a rule has come that would challenge his score", async () => {
    const token = await token_of(await enter(await answer_to(await ask())));
    const rule = { kind: "score", mode: "enforce", action: "challenge", item: null, min_score: 1 };
    edge.control_plane = control_plane_with(
      document({ version: 13, switches: { sale_enabled: true }, risk_rules: [rule] }),
    );
    edge.now_ms += 60_000;
    await expect_challenge(await enter(renewal(token)), NOT_RENEWED);
  });
});

describe("the check is not asked for", () => {
  test.each([
    [false, undefined, "none"],
    [true, false, "none"],
    [false, true, "altcha"],
  ])("when the switch is %s and the item's is %s: %s", async (general, own, provider) => {
    const switches = own === undefined ? {} : { switches: { human_check: own } };
    edge.control_plane = control_plane_with(
      document({
        switches: { sale_enabled: true, human_check: general },
        items: { "7": item(switches) },
      }),
    );
    expect((await ask()).provider).toBe(provider);
    expect((await enter()).status).toBe(provider === "none" ? 200 : 403);
  });

  test("and what was answered all the same is not looked at", async () => {
    edge.control_plane = control_plane_with(document());
    const check: CheckAnswer = { provider: "altcha", payload: "eyJ9", trace: NOBODY };
    expect((await claims_of(await enter(check))).rs).toBe(0);
  });
});

describe("a question", () => {
  test.each([
    ["/v1/items/7/check", 400],
    ["/v1/items/7/check?device=short", 400],
    ["/v1/items/9/check?device=device-1", 404],
  ])("%s is answered %i", async (url, status) => {
    expect((await edge.fetch(url, { headers: bearer(session()) })).status).toBe(status);
  });

  test("needs a session, and is not asked after the end", async () => {
    const url = "/v1/items/7/check?device=device-1";
    expect((await edge.fetch(url)).status).toBe(401);
    edge.now_ms = NOW_MS + 3_600_000;
    expect((await edge.fetch(url, { headers: bearer(session()) })).status).toBe(410);
  });

  test("is there before the start, when there is time for it", async () => {
    const before = NOW_MS - 3_600_001;
    edge.now_ms = before;
    expect((await ask(7, session({}, before))).provider).toBe("altcha");
  });

  test("can only be read", async () => {
    const response = await edge.fetch("/v1/items/7/check?device=device-1", { method: "POST" });
    expect(response.status).toBe(405);
  });

  test("tells nothing that solves it", async () => {
    const text = JSON.stringify(await ask());
    expect(text).not.toContain("counter");
    expect(text).not.toContain("check-key");
  });
});
