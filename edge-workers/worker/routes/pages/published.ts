/**
 * Pages of campaigns, as the control plane has published them: `/c/{slug}`, its `campaign.json`, and
 * pictures and facts under `/p/`. They need no control plane and no gateway.
 */

import { type Context, Hono } from "hono";
import type { Log } from "../../env/log.ts";
import type { Settings } from "../../env/settings.ts";
import { busy, method_not_allowed, problem } from "../../problem/problem.ts";
import { type Language, PublishedFiles, type PublishedSource } from "./files.ts";
import { choose_language } from "./language.ts";
import { not_found_html } from "./not_found.ts";
import {
  FOR_EVER,
  OPEN_HEADERS,
  SHORTLY,
  security_headers,
  with_body_unless_known,
} from "./pages.ts";

export interface PublishedOptions {
  settings: Pick<Settings, "turnstile">;
  published: PublishedSource;
  hashed_names: Readonly<Record<string, string>>;
  clock: () => number;
  random: () => number;
}

const HTML = "text/html; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";
/** Long enough for a crowd before the announcement, short enough to see it when it comes. */
const NOT_THERE = "public, max-age=5";
/** Pages are served at `/c/` alone, where their links become those of this build. */
const PUBLIC_NAME = /^([0-9a-f]{32})\.(json|webp)$/;
const NOT_FOUND = {
  en: new TextEncoder().encode(not_found_html("en")),
  zh: new TextEncoder().encode(not_found_html("zh")),
};
const TAGS = { en: "en", zh: "zh-CN" } as const;

/** Mounts the routes. */
export function published_route(options: PublishedOptions, log: Log): Hono {
  const { published, hashed_names, clock, random } = options;
  const files = new PublishedFiles(published, clock, log);
  const security = security_headers(options.settings);
  const with_links = linker(hashed_names);
  const app = new Hono();

  /** A file the index names. That it is missing means that it is being published just now. */
  const body_of = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const body = await files.file(name);
    if (body === null) throw busy(random, "this page is being published");
    return body;
  };

  app.get("/c/:slug", async (c) => {
    const language = choose_language(c.req.query("lang"), c.req.header("accept-language"));
    const found = await files.campaign(c.req.param("slug"));
    if (found === null) return not_found_page(language, with_links, security);
    const name = found.pages[language];
    const headers = { ...security, ...page_headers(language), "cache-control": SHORTLY };
    const etag = `"${name.slice(0, 16)}-${with_links.build}"`;
    return with_body_unless_known(
      with_links(await body_of(name)),
      { ...headers, etag },
      c.req.header("if-none-match"),
    );
  });
  app.get("/c/:slug/campaign.json", async (c) => {
    const found = await files.campaign(c.req.param("slug"));
    if (found === null) return problem("not_found");
    return data(c, found.json, await body_of(found.json), JSON_TYPE, SHORTLY, security);
  });
  app.get("/p/:name", async (c) => {
    const name = c.req.param("name");
    const suffix = PUBLIC_NAME.exec(name)?.[2];
    const body = suffix === undefined ? null : await files.file(name);
    if (body === null) return problem("not_found");
    const content_type = suffix === "json" ? JSON_TYPE : "image/webp";
    return data(c, name, body, content_type, FOR_EVER, security);
  });
  for (const path of ["/c/:slug", "/c/:slug/campaign.json", "/p/:name"]) {
    app.all(path, () => method_not_allowed("GET, HEAD"));
  }
  return app;
}

/** JSON or a picture. Other origins may read it: shops show campaigns on pages of their own. */
function data(
  c: Context,
  name: string,
  body: Uint8Array<ArrayBuffer>,
  content_type: string,
  cache_control: string,
  security: Record<string, string>,
): Response {
  const headers = {
    ...security,
    ...OPEN_HEADERS,
    "content-type": content_type,
    "cache-control": cache_control,
    etag: `"${name.slice(0, 32)}"`,
  };
  return with_body_unless_known(body, headers, c.req.header("if-none-match"));
}

function page_headers(language: Language) {
  return {
    "content-type": HTML,
    "content-language": TAGS[language],
    vary: "accept-language",
  };
}

function not_found_page(
  language: Language,
  with_links: Linker,
  security: Record<string, string>,
): Response {
  const body = with_links(NOT_FOUND[language]);
  const headers = { ...security, ...page_headers(language), "cache-control": NOT_THERE };
  return new Response(body, { status: 404, headers });
}

/** Puts this build's names into a page, once; `build` changes when one of them does. */
interface Linker {
  (page: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  build: string;
}

function linker(hashed_names: Readonly<Record<string, string>>): Linker {
  const plain = Object.keys(hashed_names);
  // Quoted: only a whole attribute is one. What people wrote has no plain quotes in a page.
  const link = new RegExp(`"(${plain.map((name) => name.replaceAll(".", "\\.")).join("|")})"`, "g");
  // For as long as the page itself is kept.
  const done = new WeakMap<Uint8Array, Uint8Array<ArrayBuffer>>();
  const linked = (page: Uint8Array<ArrayBuffer>) => {
    const known = done.get(page);
    if (known !== undefined) return known;
    const text = new TextDecoder().decode(page);
    const with_names = text.replace(link, (_, name: string) => `"${hashed_names[name]}"`);
    const body = plain.length === 0 ? page : new TextEncoder().encode(with_names);
    done.set(page, body);
    return body;
  };
  const build = Object.values(hashed_names).map((path) => path.replaceAll(/[^\w]/g, "").slice(-10));
  return Object.assign(linked, { build: build.join("") });
}
