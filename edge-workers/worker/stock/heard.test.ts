import { beforeEach, describe, expect, test } from "vitest";
import { control_plane_with, Edge } from "../../fixtures/edge.ts";
import { document, item, PATH_KEY } from "../../fixtures/sale.ts";

let edge: Edge;

beforeEach(() => {
  edge = new Edge();
  const items = { "7": item(), "8": item({ id: 8 }) };
  edge.control_plane = control_plane_with(document({ items }));
});

/** Somebody buys, and the gateway answers so; he hears it word for word. */
async function buys(answer: object, status: number, headers = {}, id = 7): Promise<void> {
  edge.gateway = () => Response.json(answer, { status });
  const path = `/v1/items/${id}/${PATH_KEY}/buy`;
  const heard = await edge.fetch(path, { method: "POST", body: '{"qty":1}', headers });
  expect([heard.status, await heard.json()]).toEqual([status, answer]);
  await edge.settle();
}

const level = async (id = 7) =>
  ((await (await edge.fetch(`/v1/items/${id}`)).json()) as { stock: unknown }).stock;

const RESERVED = { outcome: "reserved" };
const SOLD_OUT = { code: "sold_out" };

describe("the level of an item's stock", () => {
  test("is not known while nobody buys", async () => {
    expect(await level()).toBeNull();
  });

  test("is what the last purchase has heard, and of this item alone", async () => {
    await buys(RESERVED, 200);
    expect([await level(), await level(8)]).toEqual(["selling", null]);
    await buys(SOLD_OUT, 410);
    expect(await level()).toBe("sold_out");
    await buys(RESERVED, 200);
    expect(await level()).toBe("selling");
  });

  test.each([
    ["selling", RESERVED, 200, 5_000],
    ["sold_out", SOLD_OUT, 410, 15_000],
  ])("%s is forgotten when nobody buys for a while", async (told, answer, status, for_ms) => {
    await buys(answer, status);
    edge.now_ms += for_ms - 1;
    expect(await level()).toBe(told);
    edge.now_ms += 1;
    expect(await level()).toBeNull();
  });

  test("is read once a second while everybody hears the same", async () => {
    await buys(SOLD_OUT, 410);
    edge.now_ms += 10_000;
    await buys(SOLD_OUT, 410);
    edge.now_ms += 999;
    await buys(SOLD_OUT, 410);
    edge.now_ms += 14_000;
    expect(await level()).toBe("sold_out");
    edge.now_ms += 1;
    expect(await level()).toBeNull();
  });

  test.each([
    ["the end of the sale", { code: "ended" }, 410, {}],
    ["fewer than somebody wanted", { code: "sold_out", detail: "fewer are left" }, 410, {}],
    ["a place in the line", { outcome: "queued" }, 202, {}],
    ["busy", { code: "busy" }, 503, {}],
    ["the answer to a repeat", RESERVED, 200, { "purchase-retry": "1" }],
  ])("is not told by %s", async (_, answer, status, headers) => {
    await buys(answer, status, headers);
    expect(await level()).toBeNull();
  });

  test("is not told by what is no purchase", async () => {
    edge.gateway = () => Response.json(RESERVED);
    await edge.fetch("/v1/reservations/7-0-r");
    await edge.fetch(`/v1/items/7/${PATH_KEY}/buy`);
    expect(await level()).toBeNull();
  });
});
