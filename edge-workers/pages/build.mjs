/** The pages of the bundle: each script and style under the hash of its content. */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { build } from "esbuild";

const SDK_FOLDER = "dist/sdk";
const SDK_ENTRY = "flash-sale.js";
// What esbuild names a part that is loaded later.
const HASHED_CHUNK = /\.[0-9A-Z]{8}\.js$/;
const TYPES = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".html": "text/html; charset=utf-8",
};

const hash = (text) => createHash("sha256").update(text).digest("base64url").slice(0, 16);
const suffix_of = (name) => name.slice(name.lastIndexOf("."));

function file(path, body, more = {}) {
  const content_type = TYPES[suffix_of(path)] ?? TYPES[".html"];
  return { path, content_type, body, etag: `"${hash(body)}"`, immutable: false, ...more };
}

/** A file at `/assets/<hash>.<suffix>`. */
function asset(name, body) {
  return file(`/assets/${hash(body)}${suffix_of(name)}`, body, { immutable: true });
}

async function bundled(entry) {
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    outdir: "out",
    format: "esm",
    target: "es2022",
  });
  return asset(entry.replace(/\.ts$/, ".js"), built.outputFiles[0].text);
}

/**
 * The SDK, which other shops' pages load too. Its plain name always has the newest one, its hashed
 * name never changes; what it loads later lies beside it. Nothing when it has not been built.
 */
async function sdk_files() {
  let names;
  try {
    names = await readdir(SDK_FOLDER);
  } catch (error) {
    if (error.code === "ENOENT") return { files: [], names: {} };
    throw error;
  }
  const files = [];
  const hashed = {};
  for (const name of names.filter((one) => one.endsWith(".js"))) {
    const body = await readFile(`${SDK_FOLDER}/${name}`, "utf8");
    const immutable = HASHED_CHUNK.test(name);
    files.push(file(`/sdk/${name}`, body, { any_origin: true, immutable }));
    if (name !== SDK_ENTRY) continue;
    const path = `/sdk/flash-sale.${hash(body)}.js`;
    files.push(file(path, body, { any_origin: true, immutable: true }));
    hashed[`/sdk/${name}`] = path;
  }
  return { files, names: hashed };
}

/** A page of the bundle whose links to `plain` names become hashed ones. */
async function page(path, source, links) {
  let html = await readFile(source, "utf8");
  for (const [plain, hashed] of Object.entries(links)) html = html.replaceAll(plain, hashed);
  return file(path, html);
}

/**
 * Every file of the bundle, and `hashed_names`: what the plain names in published pages, which know
 * nothing of this build, are called here.
 */
export async function page_files() {
  const icon = asset("icon.svg", await readFile("storefront/icon.svg", "utf8"));
  const shop_script = await bundled("storefront/main.ts");
  const shop_style = await bundled("storefront/style.css");
  const style = await bundled("pages/page.css");
  const campaign = await bundled("pages/campaign.ts");
  const draw = await bundled("pages/draw/draw.ts");
  const sdk = await sdk_files();
  const shop = { "icon.svg": icon.path, "main.ts": shop_script.path, "style.css": shop_style.path };
  const check = { "icon.svg": icon.path, "draw.ts": draw.path, "page.css": style.path };
  const files = [
    await page("/", "storefront/index.html", shop),
    await page("/draw/:item{[1-9][0-9]*}", "pages/draw/index.html", check),
    ...[icon, shop_script, shop_style, style, campaign, draw],
    ...sdk.files,
  ];
  const hashed_names = {
    "/assets/icon.svg": icon.path,
    "/assets/page.css": style.path,
    "/assets/campaign.js": campaign.path,
    ...sdk.names,
  };
  return { files, hashed_names };
}
