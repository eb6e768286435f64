import { expect, test } from "vitest";
import { control_plane_with, Edge, unreachable } from "../../../fixtures/edge.ts";
import { document, item, NOW_MS, PATH_KEY } from "../../../fixtures/sale.ts";

function edge_with(overrides: Record<string, unknown> = {}): Edge {
  const edge = new Edge();
  edge.control_plane = control_plane_with(document({ items: { "7": item(overrides) } }));
  return edge;
}

const PUBLIC = {
  id: 7,
  title: "Lamp",
  price_minor: 1999,
  currency: "CNY",
  units: 2000,
  limit: 1,
  queue: null,
  stock: null,
  state: "live",
  start_ms: NOW_MS - 3_600_000,
  end_ms: NOW_MS + 3_600_000,
};

test("an item is described, and briefly cached", async () => {
  const response = await edge_with().fetch("/v1/items/7");
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("public, max-age=2");
  expect(await response.json()).toEqual(PUBLIC);
});

test("before the start too, and without its secrets", async () => {
  const edge = edge_with({ start_ms: NOW_MS + 1000, switches: {}, path_key: PATH_KEY });
  const text = await (await edge.fetch("/v1/items/7")).text();
  expect(JSON.parse(text)).toEqual({ ...PUBLIC, start_ms: NOW_MS + 1000 });
  expect(text).not.toContain(PATH_KEY);
});

test.each([
  ["fifo", { mode: "fifo", opens_ms: 5 }],
  ["draw", { mode: "draw", opens_ms: 5 }],
  ["off", null],
])("its queue %s is told as %j", async (mode, told) => {
  const queue = { mode, opens_ms: 5, buckets: [], draw: { commit: "c", seed: "secret" } };
  const response = await edge_with({ queue }).fetch("/v1/items/7");
  const body = (await response.json()) as { queue: unknown };
  expect(body.queue).toEqual(told);
});

test.each(["8", "07", "x", "7.0", "-7"])("there is no item %s", async (id) => {
  const response = await edge_with().fetch(`/v1/items/${id}`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: "not_found" });
});

test("without any configuration it is busy", async () => {
  const edge = new Edge();
  edge.control_plane = unreachable;
  expect((await edge.fetch("/v1/items/7")).status).toBe(503);
});

test("it is for reading", async () => {
  const response = await edge_with().fetch("/v1/items/7", { method: "POST" });
  expect(response.status).toBe(405);
});
