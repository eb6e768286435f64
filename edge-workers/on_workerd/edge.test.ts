/** The bundle in the real workerd, between a control plane and a gateway that are doubles. */

import { request as http_request } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  document,
  ENTRY_KEY,
  envelope,
  INTERNAL_TOKEN,
  item,
  PATH_KEY,
  SNAPSHOT_KEY,
  session,
} from "../fixtures/sale.ts";
import { fault_of } from "../vectors/reference_verifier.ts";
import { type Double, start_double } from "./doubles.ts";
import { build, refuse_to_serve, type Served, serve } from "./serve.ts";

const PATIENCE = { timeout: 10_000, interval: 50 };

let control_plane: Double;
let gateway: Double;
let canary: Double;
let edge: Served;
/** What the control plane has; a test may publish another. */
let published: { version: number };
/** While this waits, so does every answer of the control plane. */
let control_plane_gate: Promise<void>;

const on_sale = () => item({ start_ms: Date.now() - 1000, end_ms: Date.now() + 3_600_000 });
const environment = () => ({
  SLUICE_SNAPSHOT_KEY: SNAPSHOT_KEY,
  SLUICE_INTERNAL_TOKEN: INTERNAL_TOKEN,
  SLUICE_CHECK_KEY: "check-key-of-the-tests-at-least-32",
  SLUICE_CONTROL_PLANE_URL: control_plane.origin,
  SLUICE_GATEWAY_URL: gateway.origin,
  SLUICE_GATEWAY_CANARY_URL: canary.origin,
  SLUICE_DEMO: "1",
});

beforeAll(build);

beforeEach(async () => {
  published = document({ items: { "7": on_sale() } });
  control_plane_gate = Promise.resolve();
  control_plane = await start_double(async ({ url, headers }, response) => {
    await control_plane_gate;
    const { pathname, searchParams } = new URL(url, "http://control");
    if (pathname === "/api/v1/demo/sessions") {
      response.end(JSON.stringify({ session: session({}, Date.now()) }));
    } else if (headers.authorization !== `Bearer ${INTERNAL_TOKEN}`) {
      response.writeHead(401).end();
    } else if (pathname === "/internal/heartbeat") {
      response.writeHead(204).end();
    } else if (Number(searchParams.get("after")) >= published.version) {
      response.writeHead(304).end();
    } else {
      response.end(envelope(published));
    }
  });
  gateway = await start_double(({ url }, response) => {
    response.writeHead(200, { "content-type": "application/json", "x-gateway": "1" });
    response.end(JSON.stringify({ url }));
  });
  canary = await start_double(({ url }, response) => {
    response.end(JSON.stringify({ canary: url }));
  });
  edge = await serve(environment());
});

afterEach(async () => {
  await edge.stop();
  await Promise.all([control_plane, gateway, canary].map((double) => double.close()));
});

const enter = (token = session({}, Date.now()), init: RequestInit = {}) =>
  fetch(`${edge.origin}/v1/items/7/entry`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: '{"device":"device-1"}',
    ...init,
  });

test("a shopper gets a session, enters, and buys through the edge", async () => {
  const asked = await fetch(`${edge.origin}/demo/sessions`, { method: "POST", body: "{}" });
  const { session: token } = (await asked.json()) as { session: string };
  const entered = await enter(token);
  expect(entered.status).toBe(200);
  const entry = (await entered.json()) as { entry_token: string; buy_url: string };
  const reader = { keys: [ENTRY_KEY], now_s: Math.floor(Date.now() / 1000), item: 7 };
  expect(fault_of(entry.entry_token, reader)).toBeNull();
  expect(entry.buy_url).toBe(`/v1/items/7/${PATH_KEY}/buy`);

  const bought = await fetch(`${edge.origin}${entry.buy_url}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${entry.entry_token}`,
      "idempotency-key": "k-1",
      "sluice-shopper": "somebody-else",
      "x-forwarded-for": "9.9.9.9",
      "cf-connecting-ip": "9.9.9.9",
    },
    body: '{"qty":1}',
  });
  expect(bought.status).toBe(200);
  expect(bought.headers.get("x-gateway")).toBe("1");
  expect(await bought.json()).toEqual({ url: entry.buy_url });

  const received = gateway.received[0];
  expect(received?.body).toBe('{"qty":1}');
  expect(received?.headers).toMatchObject({
    authorization: `Bearer ${entry.entry_token}`,
    "idempotency-key": "k-1",
    "content-length": "9",
    "x-forwarded-for": "127.0.0.1",
  });
  expect(JSON.stringify(received?.headers)).not.toMatch(/somebody-else|9\.9\.9\.9/);
});

/** A file of the SDK and everything that it loads, by name; but not what `left_out` says. */
async function loaded_with(name: string, left_out: RegExp): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const load = async (file: string): Promise<void> => {
    if (found.has(file) || left_out.test(file)) return;
    const response = await fetch(`${edge.origin}/sdk/${file}`);
    expect(response.status, file).toBe(200);
    const text = await response.text();
    found.set(file, text);
    for (const [, next = ""] of text.matchAll(/["'`]\.\/([\w.-]+\.js)["'`]/g)) await load(next);
  };
  await load(name);
  return found;
}

test("the SDK has at most 15 kB with all that it loads: but the human check, in one language (English)", async () => {
  // Chinese is loaded by who speaks it, 2 kB more; everything else counts, whenever it is loaded.
  const files = await loaded_with("flash-sale.js", /^(sluice_check|zh)\.[A-Z0-9]{8}\.js$/);
  const sizes = [...files.values()].map((text) => gzipSync(text).length);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(15_000);
  const with_chinese = await loaded_with("flash-sale.js", /^sluice_check/);
  const chinese = [...with_chinese].filter(([name]) => !files.has(name));
  expect(chinese.map(([name]) => name.slice(0, 3))).toEqual(["zh."]);
  // Words, and nothing that was put there to be out of the way.
  expect(chinese[0]?.[1]).not.toMatch(/\bclass\b|fetch|import/);
});

test("the SDK is served, briefly cached, and what it loads for ever", async () => {
  const response = await fetch(`${edge.origin}/sdk/flash-sale.js`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("public, max-age=30, must-revalidate");
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  const script = await response.text();
  // What it loads later has its content's hash in its name.
  const chunk = /import\("\.\/([\w.-]+\.[A-Z0-9]{8}\.js)"\)/.exec(script)?.[1];
  const check = await fetch(`${edge.origin}/sdk/${chunk}`);
  expect(check.status).toBe(200);
  expect(check.headers.get("cache-control")).toContain("immutable");
});

test("the clock runs and is not cached", async () => {
  const before = Date.now();
  const response = await fetch(`${edge.origin}/v1/time`);
  const { now_ms } = (await response.json()) as { now_ms: number };
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(now_ms).toBeGreaterThanOrEqual(before);
  expect(now_ms).toBeLessThanOrEqual(Date.now());
});

test("the page and the files it names are in the bundle", async () => {
  const page = await fetch(`${edge.origin}/?campaign=spring`);
  const html = await page.text();
  const files = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path);
  expect(new Set(files).size).toBe(3);
  for (const path of files) {
    const file = await fetch(`${edge.origin}${path}`);
    expect(file.status).toBe(200);
    expect(file.headers.get("cache-control")).toContain("immutable");
    expect(await file.text()).not.toContain(PATH_KEY);
  }
});

describe("bodies", () => {
  test("above 4 KiB are refused at the door of a sale, declared or not", async () => {
    const most = '{"device":"device-1"}'.padEnd(4096);
    expect((await enter(undefined, { body: most })).status).toBe(200);
    const long = `${most} `;
    expect((await enter(undefined, { body: long })).status).toBe(400);
    const chunked = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { "transfer-encoding": "chunked" };
      const url = `${edge.origin}/v1/items/7/entry`;
      const sent = http_request(url, { method: "POST", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.once("error", reject);
      sent.end(long);
    });
    expect(chunked).toBe(400);
  });

  test("of a megabyte pass through unharmed", async () => {
    const body = "0123456789abcdef".repeat(65_536);
    await fetch(`${edge.origin}/v1/anything`, { method: "POST", body });
    expect(gateway.received[0]?.body).toBe(body);
  });
});

describe("when an origin is away", () => {
  test("a dead gateway is busy and the door stays open", async () => {
    await gateway.close();
    const response = await fetch(`${edge.origin}/v1/campaigns/spring`);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toMatch(/^[12]$/);
    expect(await response.json()).toMatchObject({ code: "busy" });
    expect((await enter()).status).toBe(200);
  });

  test("a dead control plane leaves the last good snapshot in use", async () => {
    expect((await enter()).status).toBe(200);
    await control_plane.close();
    await vi.waitFor(async () => {
      expect((await enter()).status).toBe(200);
      expect(edge.output()).toContain("snapshot_refresh_failed");
    }, PATIENCE);
    expect((await enter()).status).toBe(200);
  });

  test("a visitor who leaves does not take the refresh of the others with him", async () => {
    let open = () => {};
    control_plane_gate = new Promise((resolve) => {
      open = resolve;
    });
    const leaver = new AbortController();
    const left = enter(undefined, { signal: leaver.signal });
    await vi.waitFor(() => expect(control_plane.received).toHaveLength(1), PATIENCE);
    const stays = enter();
    leaver.abort();
    await expect(left).rejects.toThrow();
    open();
    expect((await stays).status).toBe(200);
    const asked = control_plane.received.filter(({ url }) => url.includes("/internal/snapshot"));
    expect(asked).toHaveLength(1);
  });
});

test("a new version is in use soon after it was published", async () => {
  expect((await enter()).status).toBe(200);
  published = document({ version: 13, items: { "7": { ...on_sale(), state: "ended" } } });
  await vi.waitFor(async () => expect((await enter()).status).toBe(410), PATIENCE);
});

describe("a second pool of gateways", () => {
  const buy = (device: string) => {
    const claims = Buffer.from(JSON.stringify({ dev: device })).toString("base64url");
    const headers = { authorization: `Bearer e30.${claims}.c2ln` };
    return fetch(`${edge.origin}/v1/items/7/Aa0_-/buy`, { method: "POST", headers, body: "{}" });
  };
  const give = async (percent: number) => {
    const switches = { sale_enabled: true, canary_percent: percent };
    published = document({ version: published.version + 1, items: { "7": on_sale() }, switches });
    const { version } = published;
    await vi.waitFor(async () => {
      await buy("device-0");
      expect(edge.output()).toContain(`"version":${version}`);
    }, PATIENCE);
    gateway.received.length = 0;
    canary.received.length = 0;
  };

  test("gets its share, each shopper always the same pool", async () => {
    await give(50);
    const devices = Array.from({ length: 40 }, (_, number) => `device-${number}`);
    const first: string[] = [];
    for (const device of devices) first.push(await (await buy(device)).text());
    expect(gateway.received.length + canary.received.length).toBe(40);
    expect(Math.abs(canary.received.length - 20)).toBeLessThan(10);
    for (const [place, device] of devices.entries()) {
      expect(await (await buy(device)).text()).toBe(first[place]);
    }
  });

  test("that is away costs three shoppers a busy and nobody more; readings nobody", async () => {
    await give(100);
    await canary.close();
    const read = await fetch(`${edge.origin}/v1/campaigns/spring`);
    expect(read.headers.get("x-gateway")).toBe("1");
    const statuses: number[] = [];
    for (let shopper = 0; shopper < 10; shopper += 1) statuses.push((await buy("device-1")).status);
    expect(statuses).toEqual([503, 503, ...Array(8).fill(200)]);
  });
});

test.each([
  ["SLUICE_SNAPSHOT_KEY", ""],
  ["SLUICE_INTERNAL_TOKEN", "short"],
  ["SLUICE_GATEWAY_URL", "127.0.0.1"],
  ["SLUICE_GATEWAY_CANARY_URL", "127.0.0.1"],
  ["SLUICE_DEMO", "yes"],
])("workerd does not start with %s=%o and names it", async (name, value) => {
  const { code, output } = await refuse_to_serve({ ...environment(), [name]: value });
  expect(code).not.toBe(0);
  expect(output).toContain(name);
});
