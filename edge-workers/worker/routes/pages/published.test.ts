import { beforeEach, describe, expect, test } from "vitest";
import { Edge } from "../../../fixtures/edge.ts";
import { INDEX_MAX_AGE_MS, KEPT_MAX_BYTES } from "./files.ts";

const PAGE_EN = `${"a".repeat(32)}.html`;
const PAGE_ZH = `${"b".repeat(32)}.html`;
const FACTS = `${"c".repeat(32)}.json`;
const PICTURE = `${"d".repeat(32)}.webp`;
const NAMES = { "/assets/page.css": "/assets/Hash_1.css", "/sdk/flash-sale.js": "/sdk/x.H2.js" };

const index = (changes: object = {}) =>
  JSON.stringify({
    campaigns: {
      spring: {
        source: "s",
        json: FACTS,
        pages: { en: PAGE_EN, zh: PAGE_ZH },
        files: [],
        ...changes,
      },
    },
  });

let edge: Edge;

beforeEach(() => {
  edge = new Edge({}, [], NAMES);
  edge.published = {
    "index.json": index(),
    [PAGE_EN]: '<link href="/assets/page.css"><script src="/sdk/flash-sale.js"></script>English',
    [PAGE_ZH]: "中文",
    [FACTS]: '{"slug":"spring"}',
    [PICTURE]: "picture",
  };
});

describe("a campaign's page", () => {
  test("names the files of this build", async () => {
    const response = await edge.fetch("/c/spring");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(
      '<link href="/assets/Hash_1.css"><script src="/sdk/x.H2.js"></script>English',
    );
  });

  test("is short-cached, in a language, under the strict policy", async () => {
    const { headers } = await edge.fetch("/c/spring?lang=zh");
    expect(headers.get("cache-control")).toBe("public, max-age=30, must-revalidate");
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("content-language")).toBe("zh-CN");
    expect(headers.get("vary")).toBe("accept-language");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  test("is in the visitor's language", async () => {
    const headers = { "accept-language": "zh-CN,zh;q=0.9" };
    expect(await (await edge.fetch("/c/spring", { headers })).text()).toBe("中文");
  });

  test("that the visitor has is 304, in his language and of this build only", async () => {
    const first = await edge.fetch("/c/spring");
    const headers = { "if-none-match": first.headers.get("etag") ?? "" };
    const again = await edge.fetch("/c/spring", { headers });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect((await edge.fetch("/c/spring?lang=zh", { headers })).status).toBe(200);
    const rebuilt = new Edge({}, [], { "/assets/page.css": "/assets/Hash_9.css" });
    rebuilt.published = edge.published;
    expect((await rebuilt.fetch("/c/spring", { headers })).status).toBe(200);
  });

  test("that nobody published is a page that says so, for a moment", async () => {
    const response = await edge.fetch("/c/winter?lang=zh");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("public, max-age=5");
    const html = await response.text();
    expect(html).toContain("这里没有这个活动");
    expect(html).toContain('"/assets/Hash_1.css"');
  });

  test.each(["__proto__", "constructor", "toString", "a".repeat(51), "%3Cscript%3E", "..%2findex"])(
    "%s is nobody's",
    async (slug) => {
      const response = await edge.fetch(`/c/${slug}`);
      expect(response.status).toBe(404);
      expect(await response.text()).not.toContain("script");
    },
  );
});

describe("facts and pictures", () => {
  test("the facts of now are short-cached and for everybody", async () => {
    const { headers, status } = await edge.fetch("/c/spring/campaign.json");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(headers.get("cache-control")).toBe("public, max-age=30, must-revalidate");
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect((await edge.fetch("/c/winter/campaign.json")).status).toBe(404);
  });

  test.each([
    [FACTS, "application/json; charset=utf-8"],
    [PICTURE, "image/webp"],
  ])("%s lives for ever", async (name, content_type) => {
    const { headers, status } = await edge.fetch(`/p/${name}`);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe(content_type);
    expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(headers.get("etag")).toBe(`"${name.slice(0, 32)}"`);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("HEAD has the headers and no body, anything else is refused", async () => {
    const head = await edge.fetch(`/p/${PICTURE}`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    for (const path of ["/c/spring", "/c/spring/campaign.json", `/p/${PICTURE}`]) {
      const post = await edge.fetch(path, { method: "POST" });
      expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    }
  });

  test.each(["index.json", PAGE_EN, "..%2findex.json", `${"D".repeat(32)}.webp`, ".x", "x.webp"])(
    "/p/%s is not found and not looked for",
    async (name) => {
      expect((await edge.fetch(`/p/${name}`)).status).toBe(404);
      expect(edge.read).toEqual([]);
    },
  );
});

describe("what is read", () => {
  test("the index once a second, a file once", async () => {
    for (let visit = 0; visit < 3; visit += 1) await edge.fetch("/c/spring");
    expect(edge.read).toEqual(["index.json", PAGE_EN]);
    edge.now_ms += INDEX_MAX_AGE_MS;
    await edge.fetch("/c/spring");
    expect(edge.read).toEqual(["index.json", PAGE_EN, "index.json"]);
  });

  test("a new publication shows after that second", async () => {
    await edge.fetch("/c/spring");
    edge.published["index.json"] = index({ pages: { en: PAGE_ZH, zh: PAGE_ZH } });
    expect(await (await edge.fetch("/c/spring")).text()).toContain("English");
    edge.now_ms += INDEX_MAX_AGE_MS;
    expect(await (await edge.fetch("/c/spring")).text()).toBe("中文");
  });

  test.each<[string, (edge: Edge) => void]>([
    [
      "that fails",
      (one) =>
        Object.assign(one, {
          reading: () => {
            throw new Error("disk");
          },
        }),
    ],
    [
      "of half an index",
      (one) => {
        one.published["index.json"] = "{";
      },
    ],
    [
      "of an index with odd names",
      (one) => {
        one.published["index.json"] = index({ json: "../x" });
      },
    ],
  ])("a reading %s leaves the last good one, and is logged", async (_, spoil) => {
    await edge.fetch("/c/spring");
    spoil(edge);
    edge.now_ms += INDEX_MAX_AGE_MS;
    expect((await edge.fetch("/c/spring")).status).toBe(200);
    expect(edge.log.map(({ event }) => event)).toContain("published_index_unreadable");
  });

  test("without any index it is not known whether there is a page", async () => {
    edge.reading = () => {
      throw new Error("disk");
    };
    const response = await edge.fetch("/c/spring");
    expect(response.status).toBe(503);
  });

  test("a page that is missing is being published: try again", async () => {
    delete edge.published[PAGE_EN];
    const response = await edge.fetch("/c/spring");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toMatch(/^[12]$/);
  });

  test("what is kept is bounded; what was asked for longest ago goes", async () => {
    const name = (at: number) => `${String(at).padStart(32, "0")}.webp`;
    const large = "x".repeat(KEPT_MAX_BYTES / 4);
    for (let at = 0; at < 5; at += 1) edge.published[name(at)] = large;
    for (const at of [0, 1, 2, 3, 0, 4]) await edge.fetch(`/p/${name(at)}`);
    expect(edge.read.length).toBe(5);
    await edge.fetch(`/p/${name(0)}`);
    expect(edge.read.length).toBe(5);
    await edge.fetch(`/p/${name(1)}`);
    expect(edge.read.length).toBe(6);
  });
});
