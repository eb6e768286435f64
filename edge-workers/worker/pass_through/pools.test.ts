import { beforeEach, describe, expect, test, vi } from "vitest";
import { CANARY, control_plane_with, Edge, GATEWAY, unreachable } from "../../fixtures/edge.ts";
import { document, item } from "../../fixtures/sale.ts";
import { FRESH_MS } from "../snapshot/store.ts";
import { FAILURES_MAX, PAUSE_MS } from "./breaker.ts";

const BUY = "/v1/items/7/Aa0_-/buy";
const STATUS = "/v1/reservations/7-0-abc";

let edge: Edge;

beforeEach(() => {
  edge = new Edge({ gateway_canary_url: CANARY });
});

const token = (device: string) =>
  `Bearer e30.${Buffer.from(JSON.stringify({ dev: device })).toString("base64url")}.c2ln`;

/** Publishes a share and waits until the isolate has it. */
async function give(percent: number, of_item?: number): Promise<void> {
  const switches = of_item === undefined ? undefined : { canary_percent: of_item };
  edge.control_plane = control_plane_with(
    document({
      version: 13,
      switches: { sale_enabled: true, canary_percent: percent },
      items: { "7": item({ switches }) },
    }),
  );
  await edge.fetch("/v1/campaigns/spring");
  await edge.settle();
  edge.seen.length = 0;
  edge.log.length = 0;
}

const buy = (device = "device-1") =>
  edge.fetch(BUY, {
    method: "POST",
    headers: { authorization: token(device) },
    body: '{"qty":1}',
  });
const status = (device = "device-1") =>
  edge.fetch(STATUS, { headers: { authorization: token(device) } });

/** The pools that were asked since the share was given, in order. */
const asked = () =>
  edge.seen
    .filter(({ url }) => url.startsWith(GATEWAY) || url.startsWith(CANARY))
    .map(({ url }) => (url.startsWith(CANARY) ? "canary" : "main"));

test("at 0 nobody gets the canary, at 100 everybody", async () => {
  await give(0);
  for (let device = 0; device < 50; device += 1) await buy(`device-${device}`);
  expect(new Set(asked())).toEqual(new Set(["main"]));
  edge = new Edge({ gateway_canary_url: CANARY });
  await give(100);
  for (let device = 0; device < 50; device += 1) await buy(`device-${device}`);
  expect(new Set(asked())).toEqual(new Set(["canary"]));
});

test("a shopper's purchase, its repeat and its status go to one pool", async () => {
  await give(50);
  const pools = new Set<string>();
  for (let device = 0; device < 40; device += 1) {
    edge.seen.length = 0;
    await buy(`device-${device}`);
    await buy(`device-${device}`);
    await status(`device-${device}`);
    expect(new Set(asked()).size).toBe(1);
    pools.add(asked()[0] ?? "");
  }
  expect(pools).toEqual(new Set(["main", "canary"]));
});

test("an item's own share wins over everybody's", async () => {
  await give(0, 100);
  await buy();
  await status();
  await edge.fetch("/v1/campaigns/spring");
  expect(asked()).toEqual(["canary", "canary", "main"]);
});

test("a request reaches the canary as it would reach the main pool", async () => {
  await give(100);
  const response = await buy();
  expect(await response.text()).toBe("from the canary");
  const [request] = edge.seen;
  expect(request?.url).toBe(`${CANARY}${BUY}`);
  expect(await request?.text()).toBe('{"qty":1}');
});

test("a new share counts with the next snapshot, without a request that waits for it", async () => {
  await give(0);
  edge.control_plane = control_plane_with(
    document({ version: 14, switches: { sale_enabled: true, canary_percent: 100 } }),
  );
  edge.now_ms += FRESH_MS + 1;
  await buy();
  await edge.settle();
  await buy();
  expect(asked()).toEqual(["main", "canary"]);
});

test("without a snapshot everybody gets the main pool, at once", async () => {
  edge.control_plane = () => new Promise(() => {});
  await buy();
  expect(asked()).toEqual(["main"]);
});

test("without a canary the share is nobody's", async () => {
  edge = new Edge();
  await give(100);
  await buy();
  expect(asked()).toEqual(["main"]);
  expect(edge.snapshot_requests).toEqual([]);
});

test("odd paths reach neither pool", async () => {
  await give(100);
  expect((await edge.fetch("/v1/..%2finternal")).status).toBe(404);
  expect(asked()).toEqual([]);
});

describe("a canary that does not answer", () => {
  beforeEach(async () => {
    await give(100);
    edge.canary = unreachable;
  });

  test("is read instead of from the main pool", async () => {
    const response = await status();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("from the gateway");
    expect(asked()).toEqual(["canary", "main"]);
  });

  test.each([502, 504])("also when a proxy says so with %d", async (code) => {
    edge.canary = () => new Response("nobody", { status: code });
    expect(await (await status()).text()).toBe("from the gateway");
  });

  test("never has a purchase sent again: it is busy, and may have been done", async () => {
    const response = await buy();
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: "busy",
      detail: expect.stringContaining("may have been done"),
      retry_after_ms: 1500,
    });
    expect(asked()).toEqual(["canary"]);
  });

  test("is given up for a while after failures in a row", async () => {
    for (let failure = 0; failure < FAILURES_MAX; failure += 1) await buy();
    edge.seen.length = 0;
    for (let shopper = 0; shopper < 20; shopper += 1) {
      expect((await buy(`device-${shopper}`)).status).toBe(200);
    }
    expect(new Set(asked())).toEqual(new Set(["main"]));
    expect(edge.log.filter(({ event }) => event === "canary_taken_out")).toEqual([
      { level: "error", event: "canary_taken_out", fields: { origin: CANARY } },
    ]);
  });

  test("is tried again after the pause, by one reading, and comes back", async () => {
    for (let failure = 0; failure < FAILURES_MAX; failure += 1) await buy();
    edge.now_ms += PAUSE_MS;
    edge.seen.length = 0;
    expect((await buy()).status).toBe(200);
    expect((await status()).status).toBe(200);
    expect((await status()).status).toBe(200);
    expect(asked()).toEqual(["main", "canary", "main", "main"]);
    edge.now_ms += PAUSE_MS;
    edge.canary = () => new Response("from the canary");
    edge.seen.length = 0;
    await status();
    await buy();
    expect(asked()).toEqual(["canary", "canary"]);
  });

  test("hangs no reading for long", async () => {
    vi.useFakeTimers();
    try {
      edge.canary = (request) =>
        new Promise((_resolve, reject) => {
          request.signal.addEventListener("abort", () => reject(new Error("given up")));
        });
      const answer = status();
      await vi.advanceTimersByTimeAsync(3000);
      expect(await (await answer).text()).toBe("from the gateway");
    } finally {
      vi.useRealTimers();
    }
  });
});

test("busy is an answer of the canary, not a failure", async () => {
  await give(100);
  edge.canary = () => new Response("{}", { status: 503 });
  for (let shopper = 0; shopper < 10; shopper += 1) {
    expect((await buy(`device-${shopper}`)).status).toBe(503);
  }
  expect(new Set(asked())).toEqual(new Set(["canary"]));
});
