import { beforeEach, describe, expect, test } from "vitest";
import { Edge, unreachable } from "../../fixtures/edge.ts";

let edge: Edge;

beforeEach(() => {
  edge = new Edge();
});

describe("a request under /v1", () => {
  test("reaches the gateway with method, path, query, headers and body", async () => {
    await edge.fetch("/v1/items/7/Aa0_-/buy?trace=1", {
      method: "POST",
      headers: { authorization: "Bearer a.b.c", "idempotency-key": "k-1" },
      body: '{"qty":1}',
    });
    const [request] = edge.seen;
    expect(request?.url).toBe("http://gateway.example/v1/items/7/Aa0_-/buy?trace=1");
    expect(request?.method).toBe("POST");
    expect(request?.headers.get("authorization")).toBe("Bearer a.b.c");
    expect(request?.headers.get("idempotency-key")).toBe("k-1");
    expect(await request?.text()).toBe('{"qty":1}');
  });

  test.each(["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])("keeps the method %s", async (method) => {
    await edge.fetch("/v1/campaigns/spring", { method });
    expect(edge.seen[0]?.method).toBe(method);
  });

  test.each([200, 202, 302, 409, 410, 503])("gets the gateway's %i as it is", async (status) => {
    const headers = { "content-type": "application/problem+json", "retry-after": "3" };
    edge.gateway = () => new Response('{"code":"x"}', { status, headers });
    const response = await edge.fetch("/v1/reservations/7-0-abc");
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe("3");
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.text()).toBe('{"code":"x"}');
  });

  test("does not wait for a snapshot", async () => {
    edge.control_plane = unreachable;
    expect((await edge.fetch("/v1/campaigns/spring")).status).toBe(200);
    expect(edge.snapshot_requests).toEqual([]);
  });

  test("brings no internal header of the visitor's making", async () => {
    const headers = { "sluice-shopper": "vip", "x-forwarded-for": "9.9.9.9" };
    await edge.fetch("/v1/campaigns/spring", { headers }, { clientIp: "192.0.2.7:5000" });
    expect(edge.seen[0]?.headers.has("sluice-shopper")).toBe(false);
    expect(edge.seen[0]?.headers.get("x-forwarded-for")).toBe("192.0.2.7");
  });
});

test("bodies stream through: the answer begins before it is complete", async () => {
  let finish = () => {};
  edge.gateway = () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("first"));
          finish = () => controller.close();
        },
      }),
    );
  const response = await edge.fetch("/v1/events");
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("first");
  finish();
  expect((await reader?.read())?.done).toBe(true);
});

test("an unreachable gateway is busy, never sold out", async () => {
  edge.gateway = unreachable;
  const response = await edge.fetch("/v1/items/7/Aa0_-/buy", { method: "POST", body: "{}" });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("2");
  expect(await response.json()).toEqual({
    type: "urn:sluice:outcome:busy",
    title: "Busy, please try again",
    status: 503,
    code: "busy",
    // Unknown is not no: the purchase may have been taken.
    detail:
      "the gateway did not answer: what was asked may have been done; ask again, the repeat tells",
    retry_after_ms: 1500,
  });
  expect(edge.log).toEqual([
    {
      level: "error",
      event: "origin_did_not_answer",
      fields: { origin: "http://gateway.example", reason: "fetch failed" },
    },
  ]);
});

test.each([
  "/v1/..%2f..%2finternal/snapshot",
  "/v1/%2e%2e/internal/snapshot",
  "/v1/../internal/snapshot",
  "/v1/campaigns/%00",
  "/v1/campaigns/a;b",
  "/v1/campaigns/顾客",
  "/v1/",
  "/v1",
  "/internal/snapshot",
  "/healthz",
  "/nothing",
])("%s reaches no origin", async (path) => {
  const response = await edge.fetch(path);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: "not_found" });
  expect(edge.seen).toEqual([]);
});
