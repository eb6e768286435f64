import { describe, expect, test } from "vitest";
import { client_address, origin_headers } from "./headers.ts";

function request(headers: Record<string, string>, cf?: object): Request {
  // Node's Request drops some hop-by-hop names by itself; the worker's rule is tested on any.
  const bare = new Headers(headers);
  return { headers: bare, cf } as unknown as Request;
}

const sent = (headers: Record<string, string>, cf?: object) =>
  Object.fromEntries(origin_headers(request(headers, cf)));

test("end-to-end headers go on as they are", () => {
  const headers = {
    authorization: "Bearer a.b.c",
    "content-type": "application/json",
    "idempotency-key": "k-1",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  expect(sent(headers)).toEqual(headers);
});

test.each([
  "sluice-shopper",
  "Sluice-Level",
  "x-sluice-anything",
  "x-forwarded-for",
  "X-Forwarded-Host",
  "x-forwarded-proto",
  "x-real-ip",
  "forwarded",
  "true-client-ip",
  "cf-connecting-ip",
  "cf-ray",
  "via",
  "host",
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "proxy-authorization",
])("%s of a visitor goes no further", (name) => {
  expect(sent({ [name]: "9.9.9.9", accept: "*/*" })).toEqual({ accept: "*/*" });
});

test("headers named by Connection are for this hop only", () => {
  const headers = { connection: "close, X-Hop", "x-hop": "1", accept: "*/*" };
  expect(sent(headers)).toEqual({ accept: "*/*" });
});

describe("the visitor's address", () => {
  test.each([
    ["127.0.0.1:37022", "127.0.0.1"],
    ["192.0.2.7", "192.0.2.7"],
    ["[2001:db8::1]:443", "2001:db8::1"],
  ])("is workerd's peer %s without its port", (clientIp, address) => {
    expect(sent({ "x-forwarded-for": "9.9.9.9" }, { clientIp })).toEqual({
      "x-forwarded-for": address,
    });
  });

  test("is CF-Connecting-IP on Cloudflare", () => {
    const headers = { "cf-connecting-ip": "192.0.2.7", "x-forwarded-for": "9.9.9.9" };
    expect(sent(headers, { colo: "FRA" })).toEqual({ "x-forwarded-for": "192.0.2.7" });
  });

  test("is not CF-Connecting-IP anywhere else", () => {
    const spoofed = { "cf-connecting-ip": "9.9.9.9" };
    expect(client_address(request(spoofed))).toBeNull();
    expect(client_address(request(spoofed, { clientIp: "127.0.0.1:1" }))).toBe("127.0.0.1");
    expect(client_address(request(spoofed, { clientIp: "unix:/run/edge" }))).toBeNull();
  });
});
