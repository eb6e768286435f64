import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { News } from "./messages.ts";
import { buy } from "./purchase.ts";

const VISITOR = { shopper: "shopper-1", device: "device-1" };
const SESSION = { session: "the-session" };
const ENTRY = { entry_token: "the-entry-token", buy_url: "/v1/items/7/key/buy" };
const RESERVED = { outcome: "reserved", status_url: "/v1/reservations/r" };

type Scripted = [status: number, body: object] | "no connection";

let script: Record<string, Scripted[]>;
let sent: { path: string; token: string | null; body: unknown }[];
let repeated: (string | null)[];
let waited: number[];
let told: (string | undefined)[][];

/** Answers each path with the next line of its script; the last line repeats. */
beforeEach(() => {
  sent = [];
  repeated = [];
  waited = [];
  told = [];
  script = {
    "/demo/sessions": [[200, SESSION]],
    "/v1/items/7/entry": [[200, ENTRY]],
    "/v1/items/7/key/buy": [[200, RESERVED]],
    "/v1/reservations/r": [[200, { state: "confirmed", order: "S1" }]],
  };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const token = headers.get("authorization");
    if (path.endsWith("/buy")) repeated.push(headers.get("purchase-retry"));
    sent.push({ path, token, body: init.body ? JSON.parse(String(init.body)) : null });
    const lines = script[path] ?? [];
    const line = lines.length > 1 ? lines.shift() : lines[0];
    if (line === undefined || line === "no connection") throw new TypeError("fetch failed");
    return new Response(JSON.stringify(line[1]), { status: line[0] });
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function purchase(): Promise<News> {
  return buy(
    7,
    VISITOR,
    (news, order) => told.push(order === undefined ? [news] : [news, order]),
    async (ms) => void waited.push(ms),
  );
}

test("a purchase goes from session to entry to buy to the order", async () => {
  expect(await purchase()).toBe("confirmed");
  expect(sent).toEqual([
    { path: "/demo/sessions", token: null, body: { shopper: "shopper-1" } },
    { path: "/v1/items/7/entry", token: "Bearer the-session", body: { device: "device-1" } },
    { path: "/v1/items/7/key/buy", token: "Bearer the-entry-token", body: { qty: 1 } },
    { path: "/v1/reservations/r", token: "Bearer the-entry-token", body: null },
  ]);
  expect(told).toEqual([["entering"], ["buying"], ["reserved"], ["confirmed", "S1"]]);
});

test("who is queued shows his newest ticket until it is his turn", async () => {
  script["/v1/items/7/key/buy"] = [
    [202, { outcome: "queued", ticket: "t1", retry_after_ms: 500 }],
    [202, { outcome: "queued", ticket: "t2", place: 12, retry_after_ms: 400 }],
    [503, { code: "busy", retry_after_ms: 300 }],
    [200, RESERVED],
  ];
  expect(await purchase()).toBe("confirmed");
  const bodies = sent.filter(({ path }) => path.endsWith("/buy")).map(({ body }) => body);
  const last = { qty: 1, ticket: "t2" };
  expect(bodies).toEqual([{ qty: 1 }, { qty: 1, ticket: "t1" }, last, last]);
  expect(waited).toEqual([500, 400, 300]);
  expect(told).toContainEqual(["queued"]);
  expect(told).toContainEqual(["in_line", "12"]);
});

test("who waits longer than his token lives enters again and keeps his place", async () => {
  script["/v1/items/7/key/buy"] = [
    [202, { outcome: "queued", ticket: "t1", place: 3 }],
    [401, { code: "bad_token" }],
    [410, { code: "sold_out" }],
  ];
  expect(await purchase()).toBe("sold_out");
  expect(sent.filter(({ path }) => path.endsWith("/entry"))).toHaveLength(2);
  expect(sent.at(-1)?.body).toEqual({ qty: 1, ticket: "t1" });
});

const PASSING: [string, Scripted][] = [
  ["busy", [503, { code: "busy", retry_after_ms: 310 }]],
  ["rate_limited", [429, { code: "rate_limited", retry_after_ms: 310 }]],
  ["offline", "no connection"],
];

test.each(PASSING)("who has a place waits %s out, however often it comes", async (code, line) => {
  script["/v1/items/7/key/buy"] = [
    [202, { outcome: "queued", ticket: "t1", place: 3 }],
    ...Array<Scripted>(500).fill(line),
    [200, RESERVED],
  ];
  expect(await purchase()).toBe("confirmed");
  const asked = sent.filter(({ path }) => path.endsWith("/buy")).map(({ body }) => body);
  expect(asked.slice(1)).toEqual(Array(501).fill({ qty: 1, ticket: "t1" }));
  expect(waited.slice(1)).toEqual(Array(500).fill(code === "offline" ? 1000 : 310));
});

test("who has a place waits for a new entry token too", async () => {
  script["/v1/items/7/entry"] = [
    [200, ENTRY],
    ...Array<Scripted>(100).fill([429, { code: "rate_limited", retry_after_ms: 310 }]),
    [200, ENTRY],
  ];
  script["/v1/items/7/key/buy"] = [
    [202, { outcome: "queued", ticket: "t1", place: 3 }],
    [401, { code: "bad_token" }],
    [200, RESERVED],
  ];
  expect(await purchase()).toBe("confirmed");
  const bodies = sent.filter(({ path }) => path.endsWith("/buy")).map(({ body }) => body);
  expect(bodies.at(-1)).toEqual({ qty: 1, ticket: "t1" });
});

test("without a place patience ends", async () => {
  script["/v1/items/7/key/buy"] = [[429, { code: "rate_limited", retry_after_ms: 1 }]];
  expect(await purchase()).toBe("rate_limited");
  expect(waited.length).toBeLessThan(100);
});

test("a place that is refused with a new token is the end", async () => {
  script["/v1/items/7/key/buy"] = [
    [202, { outcome: "queued", ticket: "t1", place: 3 }],
    [401, { code: "bad_token" }],
  ];
  expect(await purchase()).toBe("bad_token");
  expect(sent.filter(({ path }) => path.endsWith("/entry"))).toHaveLength(2);
});

test("a token that is refused without a place is the end", async () => {
  script["/v1/items/7/key/buy"] = [[401, { code: "bad_token" }]];
  expect(await purchase()).toBe("bad_token");
  expect(sent.filter(({ path }) => path.endsWith("/entry"))).toHaveLength(1);
});

test("the status is asked for until it is decided, gaps in the connection included", async () => {
  script["/v1/items/7/key/buy"] = [[202, { ...RESERVED, outcome: "pending" }]];
  script["/v1/reservations/r"] = [
    [503, { code: "busy", retry_after_ms: 700 }],
    "no connection",
    [200, { state: "reserved" }],
    [200, { state: "rejected", reason: "late" }],
  ];
  expect(await purchase()).toBe("rejected");
  expect(told.map(([news]) => news)).toEqual([
    "entering",
    "buying",
    "pending",
    "busy",
    "offline",
    "reserved",
    "rejected",
  ]);
  expect(waited[0]).toBe(700);
});

test.each(["busy", "rate_limited", "not_started"])("%s is waited out", async (code) => {
  script["/v1/items/7/entry"] = [
    [503, { code, retry_after_ms: 321 }],
    [200, ENTRY],
  ];
  expect(await purchase()).toBe("confirmed");
  expect(told).toContainEqual([code]);
  expect(waited).toEqual([321]);
});

test.each(["sold_out", "limit_reached", "ended", "challenge", "denied", "bad_token", "not_found"])(
  "%s is told once and not repeated",
  async (code) => {
    script["/v1/items/7/key/buy"] = [[410, { code }]];
    expect(await purchase()).toBe(code);
    expect(sent.filter(({ path }) => path.endsWith("/buy"))).toHaveLength(1);
    expect(waited).toEqual([]);
  },
);

test("an error page of somebody between is busy, not the end", async () => {
  script["/v1/items/7/key/buy"] = [
    [502, {}],
    [200, RESERVED],
  ];
  expect(await purchase()).toBe("confirmed");
  expect(told).toContainEqual(["busy"]);
});

test("a page without a demo shop says so", async () => {
  script["/demo/sessions"] = [[404, { code: "not_found" }]];
  expect(await purchase()).toBe("no_demo");
});

test("patience ends when nothing but busy comes", async () => {
  script["/v1/items/7/entry"] = [[503, { code: "busy", retry_after_ms: 1 }]];
  expect(await purchase()).toBe("busy");
  expect(waited.length).toBeLessThan(100);
});

test("a repeated purchase says so, because only the stock knows what became of the first", async () => {
  script["/v1/items/7/key/buy"] = ["no connection", [503, { code: "busy" }], [200, RESERVED]];
  expect(await purchase()).toBe("confirmed");
  expect(repeated).toEqual([null, "1", "1"]);
});
