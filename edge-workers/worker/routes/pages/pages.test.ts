import { describe, expect, test } from "vitest";
import { Edge, TURNSTILE } from "../../../fixtures/edge.ts";
import type { PageFile } from "./pages.ts";

const PAGE: PageFile = {
  path: "/",
  content_type: "text/html; charset=utf-8",
  body: "<!doctype html>",
  etag: '"page"',
  immutable: false,
};
const SCRIPT: PageFile = {
  path: "/assets/abc.js",
  content_type: "text/javascript; charset=utf-8",
  body: "export {}",
  etag: '"script"',
  immutable: true,
};
const edge = new Edge({}, [PAGE, SCRIPT]);

test("the page is served, whatever campaign it is asked for", async () => {
  const response = await edge.fetch("/?campaign=double-eleven");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(await response.text()).toBe("<!doctype html>");
});

describe("caching", () => {
  test("a page is short-lived, a hashed file lives for ever", async () => {
    const page = await edge.fetch("/");
    expect(page.headers.get("cache-control")).toBe("public, max-age=30, must-revalidate");
    const script = await edge.fetch("/assets/abc.js");
    expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  });

  test.each(['"page"', 'W/"page"', '"old", "page"'])("If-None-Match: %s is 304", async (tag) => {
    const response = await edge.fetch("/", { headers: { "if-none-match": tag } });
    expect(response.status).toBe(304);
    expect(await response.text()).toBe("");
  });

  test("another tag gets the whole page", async () => {
    const response = await edge.fetch("/", { headers: { "if-none-match": '"old"' } });
    expect(response.status).toBe(200);
  });
});

test("the policy allows nothing inline and nobody else's files", async () => {
  const policy = (await edge.fetch("/")).headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("style-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain("unsafe");
  expect(policy).not.toContain("cloudflare");
});

test("with Turnstile's keys the policy has room for its script and its frame, on every page", async () => {
  const turnstile = { site_key: "site", secret: "secret", siteverify_url: TURNSTILE };
  const with_turnstile = new Edge({ turnstile }, [PAGE]);
  for (const path of ["/", "/c/nowhere"]) {
    const { headers } = await with_turnstile.fetch(path);
    const policy = (headers.get("content-security-policy") ?? "").split("; ");
    expect(policy).toContain("script-src 'self' https://challenges.cloudflare.com");
    expect(policy).toContain("frame-src https://challenges.cloudflare.com");
    expect(policy).toContain("default-src 'none'");
    expect(policy.join()).not.toContain("unsafe");
  }
});

test("pages are for reading", async () => {
  const response = await edge.fetch("/", { method: "POST" });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("GET, HEAD");
});

test("a file that is not there is not found", async () => {
  expect((await edge.fetch("/assets/other.js")).status).toBe(404);
});
