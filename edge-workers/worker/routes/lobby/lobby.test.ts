import { beforeEach, describe, expect, test } from "vitest";
import { CANARY, control_plane_with, Edge, GATEWAY, unreachable } from "../../../fixtures/edge.ts";
import {
  DEMO_KEY,
  document,
  ENTRY_KEY,
  item,
  NOW_MS,
  OTHER_KEY,
  session,
  session_claims,
  sign,
} from "../../../fixtures/sale.ts";

const BODY = '{"device":"device-1"}';
const URL_OF_LOBBY = `${GATEWAY}/v1/items/7/lobby`;
const JOINED = '{"item":7,"ticket":"e-2.abc.def","lobby_number":0}';
let edge: Edge;

beforeEach(() => {
  edge = new Edge();
  const before = { "7": item({ state: "approved", start_ms: NOW_MS + 60_000 }) };
  edge.control_plane = control_plane_with(document({ items: before }));
  edge.gateway = () => new Response(JOINED, { headers: { "content-type": "application/json" } });
});

interface Attempt {
  id?: string;
  token?: string | null;
  body?: string;
}

function join({ id = "7", token = session(), body = BODY }: Attempt = {}): Promise<Response> {
  const headers: Record<string, string> =
    token === null ? {} : { authorization: `Bearer ${token}` };
  return edge.fetch(`/v1/items/${id}/lobby`, { method: "POST", headers, body });
}

const asked = () => edge.seen.filter(({ url }) => url.startsWith(GATEWAY));

async function expect_refusal(response: Response, status: number, code: string) {
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ code });
  expect(asked()).toEqual([]);
}

describe("a shopper of the item's merchant", () => {
  test("joins at the gateway, whose answer he gets", async () => {
    const response = await join();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(JOINED);
    expect(asked().map(({ url, method }) => `${method} ${url}`)).toEqual([`POST ${URL_OF_LOBBY}`]);
  });

  test("is vouched for by a token for this door alone", async () => {
    await join({ token: session({ lvl: "vip" }) });
    const header = { alg: "HS256", typ: "JWT", kid: ENTRY_KEY.kid };
    const iat = NOW_MS / 1000;
    const claims = {
      iss: "sluice-edge",
      aud: "sluice-lobby",
      sub: "shopper-1",
      item: 7,
      dev: "device-1",
      lvl: "vip",
      rs: 0,
      jti: "token-id",
      nbf: iat,
      iat,
      exp: iat + 120,
    };
    const sent = asked()[0]?.headers.get("authorization");
    expect(sent).toBe(`Bearer ${sign(header, claims, ENTRY_KEY.secret)}`);
  });

  test("sends no body on, and his session stays here", async () => {
    await join();
    const [request] = asked();
    expect(await request?.text()).toBe("");
    expect(JSON.stringify([...(request?.headers ?? [])])).not.toContain(session());
  });

  test("hears what the gateway refuses", async () => {
    edge.gateway = () => new Response('{"code":"ended"}', { status: 410 });
    expect((await join()).status).toBe(410);
  });

  test("hears busy when the gateway does not answer", async () => {
    edge.gateway = unreachable;
    const response = await join();
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "busy" });
  });
});

describe("a session is refused as bad_token and reaches no gateway", () => {
  const header = { alg: "HS256", typ: "JWT", kid: DEMO_KEY.kid };
  test.each([
    ["none at all", null],
    ["text", "let-me-in"],
    ["a forged one", sign(header, session_claims(), OTHER_KEY.secret)],
    ["an expired one", session({ iat: NOW_MS / 1000 - 100, exp: NOW_MS / 1000 - 6 })],
  ])("%s", async (_name, token) => {
    await expect_refusal(await join({ token }), 401, "bad_token");
  });
});

test("an unknown item is not found", async () => {
  await expect_refusal(await join({ id: "8" }), 404, "not_found");
});

test("a body of another shape is refused", async () => {
  await expect_refusal(await join({ body: '{"qty":1}' }), 400, "bad_request");
});

test("after the end there is no lobby", async () => {
  edge.now_ms = NOW_MS + 7_200_000;
  await expect_refusal(await join(), 410, "ended");
});

test("paused sales say busy", async () => {
  edge.control_plane = control_plane_with(document({ switches: { sale_enabled: false } }));
  await expect_refusal(await join(), 503, "busy");
});

test("an item's own switch comes before the general one", async () => {
  const sell_by = (everywhere: boolean, own: boolean) =>
    control_plane_with(
      document({
        switches: { sale_enabled: everywhere, human_check: false },
        items: {
          "7": item({ start_ms: NOW_MS + 60_000, switches: { sale_enabled: own } }),
        },
      }),
    );
  edge.control_plane = sell_by(true, false);
  await expect_refusal(await join(), 503, "busy");
  edge = new Edge();
  edge.gateway = () => new Response(JOINED);
  edge.control_plane = sell_by(false, true);
  expect((await join()).status).toBe(200);
});

test.each(["GET", "PUT", "DELETE"])("%s is not a way to join", async (method) => {
  const response = await edge.fetch("/v1/items/7/lobby", { method });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("POST");
});

describe("with a second pool of gateways", () => {
  // One shopper knocks often here.
  const QUIET = { sale_enabled: true, human_check: false, rate_limits: 0 };
  const before = { "7": item({ state: "approved", start_ms: NOW_MS + 60_000 }) };
  const pools_asked = () => edge.seen.filter(({ url }) => url.includes("/v1/items/"));

  beforeEach(() => {
    edge = new Edge({ gateway_canary_url: CANARY });
  });

  test.each([
    [0, GATEWAY],
    [100, CANARY],
  ])("at %d percent everybody joins at %s", async (canary_percent, origin) => {
    const switches = { sale_enabled: true, human_check: false, canary_percent };
    edge.control_plane = control_plane_with(document({ items: before, switches }));
    expect((await join()).status).toBe(200);
    expect(pools_asked().map(({ url }) => new URL(url).origin)).toEqual([origin]);
  });

  test("a shopper joins where he will buy, and the token is the edge's", async () => {
    const switches = { ...QUIET, canary_percent: 50 };
    edge.control_plane = control_plane_with(document({ items: before, switches }));
    for (let device = 0; device < 20; device += 1) {
      await join({ body: JSON.stringify({ device: `device-${device}` }) });
      const joined = pools_asked().at(-1);
      const authorization = joined?.headers.get("authorization") ?? "";
      expect(authorization).not.toContain(session());
      // The entry token names the same device, so the purchase goes where the lobby was.
      await edge.fetch("/v1/items/7/Aa0_-/buy", { method: "POST", headers: { authorization } });
      expect(new URL(pools_asked().at(-1)?.url ?? "").origin).toBe(
        new URL(joined?.url ?? "").origin,
      );
    }
    const origins = new Set(pools_asked().map(({ url }) => new URL(url).origin));
    expect(origins).toEqual(new Set([GATEWAY, CANARY]));
  });

  test("a canary that is away is busy for three shoppers and left out then", async () => {
    const switches = { ...QUIET, canary_percent: 100 };
    edge.control_plane = control_plane_with(document({ items: before, switches }));
    edge.canary = unreachable;
    const statuses: number[] = [];
    for (let shopper = 0; shopper < 5; shopper += 1) statuses.push((await join()).status);
    expect(statuses).toEqual([503, 503, 503, 200, 200]);
  });
});

test("an escaped path is not passed on", async () => {
  await expect_refusal(await join({ id: "%37" }), 404, "not_found");
});
