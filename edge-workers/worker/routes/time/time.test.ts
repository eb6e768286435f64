import { expect, test } from "vitest";
import { Edge, unreachable } from "../../../fixtures/edge.ts";
import { NOW_MS } from "../../../fixtures/sale.ts";

test("the time is the worker's clock, never cached", async () => {
  const edge = new Edge();
  const response = await edge.fetch("/v1/time");
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual({ now_ms: NOW_MS });
  edge.now_ms += 1;
  expect(await (await edge.fetch("/v1/time")).json()).toEqual({ now_ms: NOW_MS + 1 });
});

test("the time needs neither control plane nor gateway", async () => {
  const edge = new Edge();
  edge.control_plane = unreachable;
  edge.gateway = unreachable;
  expect((await edge.fetch("/v1/time")).status).toBe(200);
  expect(edge.seen).toEqual([]);
});

test.each(["POST", "PUT", "DELETE", "OPTIONS"])("%s is not a way to ask", async (method) => {
  const edge = new Edge();
  const response = await edge.fetch("/v1/time", { method });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("GET, HEAD");
  expect(edge.seen).toEqual([]);
});
