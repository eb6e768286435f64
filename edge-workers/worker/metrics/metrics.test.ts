import { expect, test } from "vitest";
import { Edge } from "../../fixtures/edge.ts";
import { session } from "../../fixtures/sale.ts";

const TOKEN = "monitoring-token-of-the-tests-32-chars";
const asked = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

test("answers and entries are counted, once each", async () => {
  const edge = new Edge({ monitoring_token: TOKEN });
  await edge.fetch("/v1/time");
  await edge.fetch("/v1/items/7/entry", {
    method: "POST",
    headers: { authorization: `Bearer ${session()}` },
    body: '{"device":"device-1"}',
  });
  const response = await edge.fetch("/internal/metrics", asked(TOKEN));
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  const text = await response.text();
  expect(text).toContain('sluice_edge_requests_total{route="time",status="2xx"} 1\n');
  expect(text).toContain('sluice_edge_requests_total{route="entry",status="2xx"} 1\n');
  expect(text).toContain('sluice_edge_entries_total{outcome="entered"} 1\n');
  expect(text).toMatch(/\nsluice_edge_snapshot_version [1-9]\d*\n$/);
});

test("what a visitor writes never becomes a label", async () => {
  const edge = new Edge({ monitoring_token: TOKEN });
  await edge.fetch('/"},evil{x="');
  const text = await (await edge.fetch("/internal/metrics", asked(TOKEN))).text();
  expect(text).toContain('sluice_edge_requests_total{route="other",status="4xx"} 1\n');
  expect(text).not.toContain("evil");
});

test.each(["", "x".repeat(TOKEN.length), `${TOKEN}x`])("%j is not the token", async (token) => {
  const edge = new Edge({ monitoring_token: TOKEN });
  expect((await edge.fetch("/internal/metrics", asked(token))).status).toBe(401);
});

test("an edge without a token shows nothing", async () => {
  expect((await new Edge().fetch("/internal/metrics", asked(TOKEN))).status).toBe(404);
});
