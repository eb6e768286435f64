/** Against a real HTTP server, as the edge will answer. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pay } from "./payment.ts";

let server: Server;
let answer: { status: number; body: string };
const signed_in = async () => "the-session";
let heard: { path: string | undefined; token: string | undefined; body: string }[];

beforeEach(async () => {
  heard = [];
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    heard.push({ path: request.url, token: request.headers.authorization, body });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const real = globalThis.fetch;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => real(`${origin}${path}`, init));
});

afterEach(async () => {
  vi.unstubAllGlobals();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("it asks for the payment of a reservation, as the shopper", async () => {
  answer = { status: 202, body: '{"payment_id":"p","order_number":"S1"}' };
  expect(await pay(signed_in, "7-0-abc")).toBe("started");
  const body = '{"reservation_id":"7-0-abc"}';
  expect(heard).toEqual([{ path: "/demo/payments", token: "Bearer the-session", body }]);
});

test.each([
  [404, '{"code":"not_found"}', "unavailable"],
  [409, '{"code":"not_payable"}', "not_payable"],
  [400, '{"code":"bad_request"}', "unknown"],
  [401, '{"code":"bad_token"}', "unknown"],
  [503, '{"code":"busy"}', "unknown"],
  [502, "<html>", "unknown"],
] as const)("%i %s is %s", async (status, body, came) => {
  answer = { status, body };
  expect(await pay(signed_in, "r")).toBe(came);
});

test("a session that is refused is fetched anew, once", async () => {
  answer = { status: 401, body: '{"code":"bad_token"}' };
  let fetched = 0;
  await pay(async () => `session-${++fetched}`, "r");
  expect(heard.map(({ token }) => token)).toEqual(["Bearer session-1", "Bearer session-2"]);
});

test("without a demo there is no paying; a shop that does not answer says nothing", async () => {
  expect(await pay(async () => null, "r")).toBe("unavailable");
  expect(await pay(() => Promise.reject(new Error("busy")), "r")).toBe("unknown");
  expect(heard).toEqual([]);
});

test("no answer is unknown, not no", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("fetch failed");
  });
  expect(await pay(signed_in, "r")).toBe("unknown");
});
