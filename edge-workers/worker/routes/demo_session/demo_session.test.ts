import { expect, test } from "vitest";
import { Edge, unreachable } from "../../../fixtures/edge.ts";
import { INTERNAL_TOKEN } from "../../../fixtures/sale.ts";

const ask = { method: "POST", body: '{"shopper":"shopper-1"}' };

test("the demo's sessions come from the control plane", async () => {
  const edge = new Edge({ demo: true });
  edge.control_plane = () => Response.json({ session: "a.b.c" });
  const response = await edge.fetch("/demo/sessions", ask);
  expect(await response.json()).toEqual({ session: "a.b.c" });
  expect(edge.seen[0]?.url).toBe("http://control.example/api/v1/demo/sessions");
  expect(await edge.seen[0]?.text()).toBe(ask.body);
});

test("the visitor's request does not travel with the edge's own credentials", async () => {
  const edge = new Edge({ demo: true });
  edge.control_plane = () => Response.json({});
  await edge.fetch("/demo/sessions", ask);
  const sent = JSON.stringify([...(edge.seen[0]?.headers ?? [])]);
  expect(sent).not.toContain(INTERNAL_TOKEN);
});

test("there are none where the demo is off", async () => {
  const edge = new Edge({ demo: false });
  const response = await edge.fetch("/demo/sessions", ask);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: "not_found" });
  expect(edge.seen).toEqual([]);
});

test("other methods are refused", async () => {
  const response = await new Edge({ demo: true }).fetch("/demo/sessions");
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("POST");
});

test("an unreachable control plane is busy", async () => {
  const edge = new Edge({ demo: true });
  edge.control_plane = unreachable;
  const response = await edge.fetch("/demo/sessions", ask);
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "busy" });
});
