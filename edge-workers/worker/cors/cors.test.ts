import { expect, test } from "vitest";
import { Edge } from "../../fixtures/edge.ts";

const SHOP = { origin: "https://shop.example" };
const preflight = (headers: string) => ({
  method: "OPTIONS",
  headers: {
    ...SHOP,
    "access-control-request-method": "POST",
    "access-control-request-headers": headers,
  },
});

test("a shop at another origin may buy, and is asked once in two hours", async () => {
  const edge = new Edge();
  const path = "/v1/items/7/key/buy";
  const asked = "authorization,content-type,idempotency-key,purchase-retry,traceparent";
  const response = await edge.fetch(path, preflight(asked));
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("access-control-allow-methods")).toBe("GET,HEAD,POST");
  expect(response.headers.get("access-control-allow-headers")).toBe(asked);
  expect(response.headers.get("access-control-max-age")).toBe("7200");
  expect(edge.seen, "no gateway is asked about it").toEqual([]);
});

test.each([
  ["an answer of the edge", "/v1/time", 200],
  ["an answer of the gateway", "/v1/campaigns/x", 200],
  ["a refusal", "/v1/items/999", 404],
  ["the bundle itself", "/sdk/flash-sale.js", 404],
])("%s can be read", async (_what, path, status) => {
  const response = await new Edge().fetch(path, { headers: SHOP });
  expect(response.status).toBe(status);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.has("access-control-allow-credentials")).toBe(false);
});

test("the demo and the pages are for their own origin", async () => {
  for (const path of ["/demo/sessions", "/"]) {
    const response = await new Edge().fetch(path, { headers: SHOP });
    expect(response.headers.has("access-control-allow-origin"), path).toBe(false);
  }
});
