import { expect, test } from "vitest";
import { Edge, unreachable } from "../../../fixtures/edge.ts";
import { INTERNAL_TOKEN } from "../../../fixtures/sale.ts";

const ask = {
  method: "POST",
  body: '{"reservation_id":"7-0-abc"}',
  headers: { authorization: "Bearer a.b.c", "content-type": "application/json" },
};

test("the demo's payments are made by the control plane, for the session's shopper", async () => {
  const edge = new Edge({ demo: true });
  const made = { payment_id: "p", order_number: "S1", amount_minor: 1999, currency: "CNY" };
  edge.control_plane = () => Response.json(made, { status: 202 });
  const response = await edge.fetch("/demo/payments", ask);
  expect(response.status).toBe(202);
  expect(await response.json()).toEqual(made);
  const sent = edge.seen[0];
  expect(sent?.url).toBe("http://control.example/api/v1/demo/payments");
  expect(sent?.headers.get("authorization")).toBe("Bearer a.b.c");
  expect(await sent?.text()).toBe(ask.body);
});

test("the edge's own credentials do not travel along", async () => {
  const edge = new Edge({ demo: true });
  edge.control_plane = () => Response.json({});
  await edge.fetch("/demo/payments", ask);
  expect(JSON.stringify([...(edge.seen[0]?.headers ?? [])])).not.toContain(INTERNAL_TOKEN);
});

test("there are none where the demo is off", async () => {
  const edge = new Edge({ demo: false });
  const response = await edge.fetch("/demo/payments", ask);
  expect(response.status).toBe(404);
  expect(edge.seen).toEqual([]);
});

test("other methods are refused", async () => {
  const response = await new Edge({ demo: true }).fetch("/demo/payments");
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("POST");
});

test("an unreachable control plane is busy: asking again is safe", async () => {
  const edge = new Edge({ demo: true });
  edge.control_plane = unreachable;
  const response = await edge.fetch("/demo/payments", ask);
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "busy" });
});
