import { expect, test } from "vitest";
import { Edge } from "../fixtures/edge.ts";
import { session } from "../fixtures/sale.ts";

test("an error nobody foresaw is busy for the visitor and a log line for us", async () => {
  const edge = new Edge();
  // Stands for any bug in a step.
  edge.token_id = () => {
    throw new Error("the dice broke");
  };
  const response = await edge.fetch("/v1/items/7/entry", {
    method: "POST",
    headers: { authorization: `Bearer ${session()}` },
    body: '{"device":"device-1"}',
  });
  expect(response.status).toBe(503);
  const body = await response.text();
  expect(JSON.parse(body)).toMatchObject({ code: "busy", retry_after_ms: 1500 });
  expect(body).not.toContain("dice");
  expect(edge.log).toContainEqual({
    level: "error",
    event: "request_failed",
    fields: { reason: "the dice broke" },
  });
});
