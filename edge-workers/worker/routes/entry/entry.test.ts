import { beforeEach, describe, expect, test } from "vitest";
import { control_plane_with, Edge } from "../../../fixtures/edge.ts";
import {
  DEMO_KEY,
  document,
  ENTRY_KEY,
  item,
  NOW_MS,
  OTHER_KEY,
  PATH_KEY,
  session,
  session_claims,
  sign,
} from "../../../fixtures/sale.ts";

const BODY = '{"device":"device-1"}';
let edge: Edge;

beforeEach(() => {
  edge = new Edge();
});

interface Attempt {
  id?: string;
  token?: string | null;
  body?: string;
}

function enter({ id = "7", token = session(), body = BODY }: Attempt = {}): Promise<Response> {
  const headers: Record<string, string> =
    token === null ? {} : { authorization: `Bearer ${token}` };
  return edge.fetch(`/v1/items/${id}/entry`, { method: "POST", headers, body });
}

/** Puts other items on sale. */
const sell = (...items: ReturnType<typeof item>[]) => {
  const filed = Object.fromEntries(items.map((one) => [String(one.id), one]));
  edge.control_plane = control_plane_with(document({ items: filed }));
};

async function expect_problem(response: Response, status: number, code: string) {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const body = (await response.json()) as Record<string, unknown>;
  expect(body).toMatchObject({ type: `urn:sluice:outcome:${code}`, status, code });
  return body;
}

describe("a shopper of the item's merchant", () => {
  test("gets token, path_key and buy address", async () => {
    const response = await enter();
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toEqual({
      item: 7,
      entry_token: expect.any(String),
      path_key: PATH_KEY,
      buy_url: `/v1/items/7/${PATH_KEY}/buy`,
      expires_at_ms: NOW_MS + 120_000,
    });
    const iat = NOW_MS / 1000;
    const claims = {
      iss: "sluice-edge",
      aud: "sluice-gateway",
      sub: "shopper-1",
      item: 7,
      dev: "device-1",
      lvl: "regular",
      rs: 0,
      jti: "token-id",
      nbf: iat,
      iat,
      exp: iat + 120,
    };
    const header = { alg: "HS256", typ: "JWT", kid: ENTRY_KEY.kid };
    expect(body.entry_token).toBe(sign(header, claims, ENTRY_KEY.secret));
  });

  test("keeps the level the merchant gave him", async () => {
    const { entry_token } = (await (await enter({ token: session({ lvl: "vip" }) })).json()) as {
      entry_token: string;
    };
    const claims = Buffer.from(entry_token.split(".")[1] ?? "", "base64url").toString();
    expect(JSON.parse(claims)).toMatchObject({ lvl: "vip" });
  });
});

describe("the clock opens and closes the sale to the millisecond", () => {
  test.each(["approved", "live"])("of an item that is %s", async (state) => {
    sell(item({ state, start_ms: NOW_MS, end_ms: NOW_MS + 1000 }));
    edge.now_ms = NOW_MS - 1;
    expect((await enter()).status).toBe(425);
    edge.now_ms = NOW_MS;
    expect((await enter()).status).toBe(200);
    edge.now_ms = NOW_MS + 999;
    expect((await enter()).status).toBe(200);
    edge.now_ms = NOW_MS + 1000;
    expect((await enter()).status).toBe(410);
  });

  test("before the start the refusal says how long to wait and nothing else", async () => {
    sell(item({ start_ms: NOW_MS + 90_001, end_ms: NOW_MS + 100_000 }));
    const response = await enter();
    expect(response.headers.get("retry-after")).toBe("91");
    const body = await expect_problem(response, 425, "not_started");
    expect(body.retry_after_ms).toBe(90_001);
    expect(JSON.stringify(body)).not.toContain(PATH_KEY);
  });

  test("an item that was ended early stays ended", async () => {
    sell(item({ state: "ended", start_ms: NOW_MS + 1000 }));
    const body = await expect_problem(await enter(), 410, "ended");
    expect(body).not.toHaveProperty("retry_after_ms");
  });
});

describe("a session is refused as bad_token", () => {
  const header = { alg: "HS256", typ: "JWT", kid: DEMO_KEY.kid };
  const now_s = NOW_MS / 1000;
  const of_other = sign(
    { ...header, kid: OTHER_KEY.kid },
    session_claims({ iss: "other" }),
    OTHER_KEY.secret,
  );

  test.each([
    ["none at all", null],
    ["an empty one", ""],
    ["text", "let-me-in"],
    ["a forged one", sign(header, session_claims(), OTHER_KEY.secret)],
    ["alg none", sign({ ...header, alg: "none" }, session_claims(), DEMO_KEY.secret)],
    ["an unknown kid", sign({ ...header, kid: "x" }, session_claims(), DEMO_KEY.secret)],
    ["an expired one", session({ iat: now_s - 100, exp: now_s - 6 })],
    ["one for another audience", session({ aud: "sluice-gateway" })],
    ["one of another merchant", of_other],
    ["one with a fourth segment", `${session()}.AAAA`],
    ["one with padding", `${session()}=`],
    ["one above 2 KiB", session({ note: "n".repeat(2048) })],
  ])("%s", async (_name, token) => {
    const body = await expect_problem(await enter({ token }), 401, "bad_token");
    // Which check failed is not told.
    expect(Object.keys(body).sort()).toEqual(["code", "status", "title", "type"]);
  });

  test("an entry token used as a session", async () => {
    const { entry_token } = (await (await enter()).json()) as { entry_token: string };
    await expect_problem(await enter({ token: entry_token }), 401, "bad_token");
  });

  test("a good one in another scheme", async () => {
    const headers = { authorization: `Basic ${session()}` };
    const response = await edge.fetch("/v1/items/7/entry", { method: "POST", headers, body: BODY });
    await expect_problem(response, 401, "bad_token");
  });
});

test.each([
  "8",
  "0",
  "07",
  "-7",
  "7.0",
  "7e0",
  "abc",
  "999999999999999999999",
  "%37x",
  "__proto__",
])("item %s is not found", async (id) => {
  await expect_problem(await enter({ id }), 404, "not_found");
});

test("a body of another shape is refused with the field's name", async () => {
  const body = await expect_problem(await enter({ body: '{"qty":1}' }), 400, "bad_request");
  expect(body.detail).toBe('unknown field "qty"');
});

test("paused sales say busy, and ended ones still say ended", async () => {
  const paused = { switches: { sale_enabled: false } };
  edge.control_plane = control_plane_with(document(paused));
  await expect_problem(await enter(), 503, "busy");
  edge = new Edge();
  const ended = { "7": item({ state: "ended" }) };
  edge.control_plane = control_plane_with(document({ ...paused, items: ended }));
  await expect_problem(await enter(), 410, "ended");
});

test.each([
  [true, 200],
  [false, 503],
])(
  "an item's own switch counts: selling %s while everything else does not",
  async (own, status) => {
    edge.control_plane = control_plane_with(
      document({
        switches: { sale_enabled: !own, human_check: false },
        items: { "7": item({ switches: { sale_enabled: own } }) },
      }),
    );
    expect((await enter()).status).toBe(status);
  },
);

describe("the cheapest check answers first", () => {
  test("a bad body before anything is fetched", async () => {
    await expect_problem(await enter({ body: "" }), 400, "bad_request");
    expect(edge.seen).toEqual([]);
  });

  test("an unknown item before a bad session", async () => {
    await expect_problem(await enter({ id: "8", token: null }), 404, "not_found");
  });

  test("the clock before a bad session", async () => {
    edge.now_ms = NOW_MS + 3_600_000;
    await expect_problem(await enter({ token: null }), 410, "ended");
  });
});

test.each(["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])(
  "%s is not a way to enter",
  async (method) => {
    const response = await edge.fetch("/v1/items/7/entry", { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
  },
);

test("entry needs no gateway", async () => {
  edge.gateway = () => {
    throw new TypeError("fetch failed");
  };
  expect((await enter()).status).toBe(200);
});
