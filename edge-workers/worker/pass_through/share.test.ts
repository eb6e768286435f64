import { describe, expect, test } from "vitest";
import { document, envelope, item, SNAPSHOT_KEY } from "../../fixtures/sale.ts";
import { open_envelope } from "../snapshot/envelope.ts";
import { canary_percent, in_share, visitor_id } from "./share.ts";

const VISITORS = 20_000;
const ids = Array.from({ length: VISITORS }, (_, number) => `device-${number}`);

const token = (claims: unknown) =>
  `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;

function request(authorization: string | null, clientIp = "192.0.2.7:5000"): Request {
  const headers = new Headers(authorization === null ? {} : { authorization });
  return { headers, cf: { clientIp } } as unknown as Request;
}

describe("the share", () => {
  test.each([0.5, 1, 10, 50, 90])("of %d percent is that many visitors", (percent) => {
    const chosen = ids.filter((id) => in_share(id, percent)).length;
    expect(Math.abs((100 * chosen) / VISITORS - percent)).toBeLessThan(1);
  });

  test("is nobody at 0 and everybody at 100", () => {
    expect(ids.some((id) => in_share(id, 0))).toBe(false);
    expect(ids.every((id) => in_share(id, 100))).toBe(true);
  });

  test("keeps everybody it has when it grows", () => {
    const few = ids.filter((id) => in_share(id, 10));
    expect(few.every((id) => in_share(id, 35))).toBe(true);
  });
});

describe("a visitor is known by", () => {
  test("the device of his entry token, whatever else changes", () => {
    const first = visitor_id(request(token({ dev: "device-1", jti: "a" })));
    const later = visitor_id(request(token({ dev: "device-1", jti: "b" }), "198.51.100.1:80"));
    expect([first, later]).toEqual(["device-1", "device-1"]);
  });

  test.each([
    ["no token", null],
    ["a session without a device", token({ sub: "ann" })],
    ["a device that is no text", token({ dev: 7 })],
    ["an empty device", token({ dev: "" })],
    ["null", token(null)],
    ["no JSON", "Bearer e30.AAAA.c2ln"],
    ["no canonical base64url", "Bearer e30.eyJ.c2ln"],
    ["two segments", "Bearer e30.e30"],
    ["a token nobody could have", `Bearer e30.${"A".repeat(4000)}.c2ln`],
    ["another scheme", "Basic e30.e30.e30"],
  ])("his address when there is %s", (_name, authorization) => {
    expect(visitor_id(request(authorization))).toBe("192.0.2.7");
  });

  test("nothing at all where the platform tells no address", () => {
    expect(visitor_id({ headers: new Headers() } as Request)).toBe("");
  });
});

describe("the percentage of a path", () => {
  const snapshot = () =>
    open_envelope(
      envelope(
        document({
          switches: { sale_enabled: true, canary_percent: 5 },
          items: {
            "7": item({ switches: { canary_percent: 40 } }),
            "8": item({ id: 8 }),
          },
        }),
      ),
      SNAPSHOT_KEY,
    );

  test.each([
    ["/v1/items/7/Aa0_-/buy", 40],
    ["/v1/reservations/7-0-abc", 40],
    ["/v1/items/8/Aa0_-/buy", 5],
    ["/v1/items/9/Aa0_-/buy", 5],
    ["/v1/campaigns/spring", 5],
    ["/v1/items/77/Aa0_-/buy", 5],
  ])("%s is %d", async (path, percent) => {
    expect(canary_percent(await snapshot(), path)).toBe(percent);
  });

  test("is 0 while there is no snapshot", () => {
    expect(canary_percent(null, "/v1/items/7/Aa0_-/buy")).toBe(0);
  });
});
