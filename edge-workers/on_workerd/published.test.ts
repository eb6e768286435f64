/** Published pages in the real workerd, read from a real directory. No control plane, no gateway. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { INTERNAL_TOKEN, SNAPSHOT_KEY } from "../fixtures/sale.ts";
import { build, type Served, serve } from "./serve.ts";

const NOBODY = "http://127.0.0.1:9";
const ENVIRONMENT = {
  SLUICE_SNAPSHOT_KEY: SNAPSHOT_KEY,
  SLUICE_INTERNAL_TOKEN: INTERNAL_TOKEN,
  SLUICE_CHECK_KEY: "check-key-of-the-tests-at-least-32",
  SLUICE_CONTROL_PLANE_URL: NOBODY,
  SLUICE_GATEWAY_URL: NOBODY,
};
const PAGE = `${"a".repeat(32)}.html`;
const OTHER = `${"b".repeat(32)}.html`;
const FACTS = `${"c".repeat(32)}.json`;
const PICTURE = `${"d".repeat(32)}.webp`;
const PIXELS = Buffer.from([0, 255, 128, 10, 13, 0]);

const root = mkdtempSync(`${tmpdir()}/sluice-published-`);
const published = `${root}/published`;
let edge: Served;

function publish(pages: { en: string; zh: string }): void {
  const spring = { source: "s", json: FACTS, pages, files: [] };
  writeFileSync(`${published}/.new`, JSON.stringify({ campaigns: { spring } }));
  renameSync(`${published}/.new`, `${published}/index.json`);
}

beforeAll(async () => {
  await build();
  mkdirSync(published);
  writeFileSync(`${root}/secret.json`, "secret");
  writeFileSync(`${published}/${PAGE}`, '<link rel="stylesheet" href="/assets/page.css">first');
  writeFileSync(`${published}/${OTHER}`, "second");
  writeFileSync(`${published}/${FACTS}`, "{}");
  writeFileSync(`${published}/${PICTURE}`, PIXELS);
  edge = await serve(ENVIRONMENT, published);
});

afterAll(async () => {
  await edge.stop();
  rmSync(root, { recursive: true });
});

beforeEach(() => publish({ en: PAGE, zh: PAGE }));

const get = (path: string, init: RequestInit = {}) => fetch(`${edge.origin}${path}`, init);

/** A request line as it stands: `fetch` would tidy the path up. */
function raw(target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(edge.origin);
    const socket = connect(Number(port), hostname, () => {
      socket.write(`GET ${target} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n`);
    });
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString();
    });
    socket.once("end", () => resolve(received));
    socket.once("error", reject);
  });
}

test("a page is served with the files of this build, while nothing else runs", async () => {
  const response = await get("/c/spring");
  expect(response.status).toBe(200);
  const href = /href="([^"]+)"/.exec(await response.text())?.[1] ?? "";
  expect(href).toMatch(/^\/assets\/[\w-]{16}\.css$/);
  expect(await (await get(href)).text()).toContain("--accent");
});

test("a visitor who has the page hears 304, and HEAD has its headers", async () => {
  const head = await get("/c/spring", { method: "HEAD" });
  expect(head.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const headers = { "if-none-match": head.headers.get("etag") ?? "" };
  expect((await get("/c/spring", { headers })).status).toBe(304);
});

test("a picture's bytes are its own and live for ever", async () => {
  const response = await get(`/p/${PICTURE}`);
  expect(Buffer.from(await response.arrayBuffer())).toEqual(PIXELS);
  expect(response.headers.get("content-type")).toBe("image/webp");
  expect(response.headers.get("cache-control")).toContain("immutable");
});

test("a publication needs no restart", async () => {
  expect(await (await get("/c/spring")).text()).toContain("first");
  publish({ en: OTHER, zh: OTHER });
  await vi.waitFor(async () => expect(await (await get("/c/spring")).text()).toBe("second"), {
    timeout: 10_000,
    interval: 50,
  });
});

test("an unknown slug has a page in its language", async () => {
  const response = await get("/c/winter", { headers: { "accept-language": "zh-CN" } });
  expect(response.status).toBe(404);
  expect(await response.text()).toContain("这里没有这个活动");
});

test.each([
  "/p/../secret.json",
  "/p/..%2fsecret.json",
  "/p/%2e%2e/secret.json",
  "/p/..\\secret.json",
  "/p//secret.json",
  "/p/index.json",
  "/p/.new",
  `/p/${PAGE}`,
  `/p/${PICTURE}%00`,
  `/p/${PICTURE}/../index.json`,
  "/c/../index.json",
  "/c/spring%2f..%2f..%2fsecret.json",
  "/p/",
  "/c/",
])("%s gets nobody anything", async (target) => {
  const answer = await raw(target);
  expect(answer).toMatch(/^HTTP\/1\.1 (?:404|400) /);
  expect(answer).not.toContain("secret\r\n");
  expect(answer).not.toContain('"campaigns"');
});

test("an empty directory is no campaign", async () => {
  const empty = await serve(ENVIRONMENT);
  expect((await fetch(`${empty.origin}/c/spring`)).status).toBe(404);
  await empty.stop();
});
