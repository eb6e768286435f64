import { beforeEach, describe, expect, test } from "vitest";
import { control_plane_with, Edge } from "../../fixtures/edge.ts";
import { document, item, session } from "../../fixtures/sale.ts";

let edge: Edge;

/** Puts item 7 on sale under limits; `switches` are the item's. */
function limit(rate_limits: object[] | undefined, switches: object = {}) {
  edge.control_plane = control_plane_with(
    document({ rate_limits, items: { "7": item({ switches }) } }),
  );
}

beforeEach(() => {
  edge = new Edge();
  limit(undefined);
});

interface Who {
  shopper?: string;
  device?: string;
  address?: string;
  door?: string;
  level?: string;
}

let strangers = 0;
/** One knock of somebody who shares with others only what is named. */
function knock({ door = "entry", level = "regular", ...who }: Who): Promise<Response> {
  strangers += 1;
  const { shopper = `s-${strangers}`, device = `device-${strangers}` } = who;
  const { address = `203.0.${strangers >> 8}.${strangers & 255}` } = who;
  const body = JSON.stringify({ device });
  const authorization = `Bearer ${session({ sub: shopper, lvl: level })}`;
  const init = { method: "POST", headers: { authorization }, body };
  return edge.fetch(`/v1/items/7/${door}`, init, { clientIp: `${address}:40000` });
}

async function statuses(who: Who, times: number): Promise<number[]> {
  const all: number[] = [];
  for (let at = 0; at < times; at += 1) all.push((await knock(who)).status);
  return all;
}

describe.each(["entry", "lobby"])("at the door %s", (door) => {
  test.each([
    ["shopper", { shopper: "ann" }],
    ["device", { device: "device-of-ann" }],
    ["address", { address: "198.51.100.7" }],
  ])("one %s comes three times at once and three times a second", async (_, who) => {
    expect(await statuses({ ...who, door }, 5)).toEqual([200, 200, 200, 429, 429]);
    edge.now_ms += 333;
    expect(await statuses({ ...who, door }, 2)).toEqual([429, 429]);
    edge.now_ms += 1;
    expect(await statuses({ ...who, door }, 2)).toEqual([200, 429]);
  });
});

test("strangers do not slow each other down", async () => {
  expect(new Set(await statuses({}, 50))).toEqual(new Set([200]));
});

test("the refusal says exactly how long to wait", async () => {
  await statuses({ shopper: "ann" }, 3);
  const response = await knock({ shopper: "ann" });
  expect(response.status).toBe(429);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toMatchObject({ code: "rate_limited", retry_after_ms: 334 });
});

test("what one limit refuses costs nothing in the others", async () => {
  await statuses({ shopper: "ann" }, 3);
  await statuses({ shopper: "ann", address: "198.51.100.7" }, 20);
  expect(await statuses({ address: "198.51.100.7" }, 3)).toEqual([200, 200, 200]);
});

test("an IPv6 client is his /64", async () => {
  const from = (tail: number) => knock({ address: `[2001:db8:1:2::${tail}]` });
  const answers: number[] = [];
  for (let tail = 1; tail <= 4; tail += 1) answers.push((await from(tail)).status);
  // The address is bracketed as workerd tells it, so no port is taken for a group.
  expect(answers).toEqual([200, 200, 200, 429]);
});

test("a door does not use up the other's", async () => {
  await statuses({ shopper: "ann", door: "lobby" }, 4);
  expect((await knock({ shopper: "ann" })).status).toBe(200);
});

test("who is refused for his session is not counted", async () => {
  const body = '{"device":"device-of-ann"}';
  for (let at = 0; at < 20; at += 1) {
    const refused = await edge.fetch("/v1/items/7/entry", { method: "POST", body });
    expect(refused.status).toBe(401);
  }
  expect((await knock({ device: "device-of-ann" })).status).toBe(200);
});

describe("the rates", () => {
  test("are the document's, and a level's own", async () => {
    limit([
      { by: "shopper", level: "", per_s: 1, burst: 1 },
      { by: "shopper", level: "vip", per_s: 9, burst: 4 },
    ]);
    expect(await statuses({ shopper: "ann" }, 2)).toEqual([200, 429]);
    expect(await statuses({ shopper: "bob", level: "vip" }, 5)).toEqual([200, 200, 200, 200, 429]);
  });

  test("are scaled by the item's switch, and 0 lifts them", async () => {
    const rule = [{ by: "shopper", level: "", per_s: 1, burst: 1 }];
    limit(rule, { rate_limits: 2 });
    expect(await statuses({ shopper: "ann" }, 2)).toEqual([200, 429]);
    edge.now_ms += 500;
    expect(await statuses({ shopper: "ann" }, 2)).toEqual([200, 429]);
    edge = new Edge();
    limit(rule, { rate_limits: 0 });
    expect(new Set(await statuses({ shopper: "ann" }, 20))).toEqual(new Set([200]));
  });
});

describe("the platform's own limiter", () => {
  const keys: string[] = [];
  const bound = (limiter: (key: string) => boolean) => {
    keys.length = 0;
    edge = new Edge({
      limiter: {
        limit: async ({ key }) => {
          keys.push(key);
          return { success: limiter(key) };
        },
      },
    });
    limit(undefined);
  };

  test("is asked for the shopper, after our own", async () => {
    bound((key) => key !== "ann");
    expect((await knock({ shopper: "bob" })).status).toBe(200);
    const refused = await knock({ shopper: "ann" });
    expect(await refused.json()).toMatchObject({ code: "rate_limited", retry_after_ms: 1500 });
    expect(keys).toEqual(["bob", "ann"]);
  });

  test("that does not answer closes nothing", async () => {
    bound(() => {
      throw new Error("away");
    });
    expect((await knock({ shopper: "ann" })).status).toBe(200);
  });

  test("is not asked while limits are off", async () => {
    bound(() => false);
    limit(undefined, { rate_limits: 0 });
    expect((await knock({ shopper: "ann" })).status).toBe(200);
  });
});
