import { beforeEach, describe, expect, test } from "vitest";
import { NOBODY, person } from "../../fixtures/check.ts";
import { control_plane_with, Edge, TURNSTILE, unreachable } from "../../fixtures/edge.ts";
import { document, session } from "../../fixtures/sale.ts";

let edge: Edge;
let asked: URLSearchParams;
/** What Cloudflare would say; the binding is what the page gave its widget. */
let verdict: Record<string, unknown>;

beforeEach(async () => {
  edge = new Edge({
    turnstile: { site_key: "site", secret: "the-secret", siteverify_url: `${TURNSTILE}/verify` },
  });
  edge.control_plane = control_plane_with(document({ switches: { sale_enabled: true } }));
  const { action, cdata } = await question();
  verdict = { success: true, action, cdata };
  edge.turnstile = async (request) => {
    asked = new URLSearchParams(await request.text());
    return Response.json(verdict);
  };
});

async function question() {
  const headers = { authorization: `Bearer ${session()}` };
  const response = await edge.fetch("/v1/items/7/check?device=device-1", { headers });
  return (await response.json()) as Record<string, string>;
}

const enter = (trace = person()) =>
  edge.fetch(
    "/v1/items/7/entry",
    {
      method: "POST",
      headers: { authorization: `Bearer ${session()}` },
      body: JSON.stringify({
        device: "device-1",
        check: { provider: "turnstile", token: "the-token", trace },
      }),
    },
    { clientIp: "203.0.113.9:40000" },
  );

test("the page gets the site key and a binding that names nobody", async () => {
  expect(await question()).toEqual({
    provider: "turnstile",
    site_key: "site",
    action: "item-7",
    cdata: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
  });
});

test("Cloudflare's yes lets in; it is told secret, token and address", async () => {
  expect((await enter()).status).toBe(200);
  expect(Object.fromEntries(asked)).toEqual({
    secret: "the-secret",
    response: "the-token",
    remoteip: "203.0.113.9",
  });
});

test("the score is judged all the same", async () => {
  const response = await enter(NOBODY);
  expect(response.status).toBe(403);
  expect(await response.json()).toHaveProperty("slider");
});

describe("it is a challenge", () => {
  test.each([
    ["when Cloudflare says no", { success: false, "error-codes": ["timeout-or-duplicate"] }],
    ["for another item", { action: "item-8" }],
    ["for another shopper or device", { cdata: "x".repeat(43) }],
    ["without a binding", { action: undefined, cdata: undefined }],
    ["when yes is not a yes", { success: "true" }],
  ])("%s", async (_, change) => {
    verdict = { ...verdict, ...change };
    const response = await enter();
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: "challenge" });
  });
});

describe("unknown is busy, neither yes nor no", () => {
  test.each([
    ["an outage", unreachable],
    ["an error", () => new Response("{}", { status: 500 })],
    ["something that is no JSON", () => new Response("<html>")],
  ])("%s", async (_, origin) => {
    edge.turnstile = origin;
    const response = await enter();
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "busy" });
  });
});
