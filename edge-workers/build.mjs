/**
 * `npm run build`: SDK → `dist/sdk/`; storefront and SDK → embedded files → `dist/worker.js`.
 * `node build.mjs vectors`: the program that writes the golden vectors → `dist/write_vectors.mjs`.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build, transform } from "esbuild";

const hash = (text) => createHash("sha256").update(text).digest("base64url").slice(0, 16);

/** Bundles the page's script and style under hashed names and puts those into the page. */
async function storefront_files() {
  const built = await build({
    entryPoints: ["storefront/main.ts", "storefront/style.css"],
    bundle: true,
    minify: true,
    write: false,
    outdir: "out",
    format: "esm",
    target: "es2022",
  });
  const bundled = (suffix) => built.outputFiles.find((file) => file.path.endsWith(suffix)).text;
  const asset = (suffix, content_type, body) => {
    const tag = hash(body);
    const path = `/assets/${tag}${suffix}`;
    return { path, content_type, body, etag: `"${tag}"`, immutable: true };
  };
  const script = asset(".js", "text/javascript; charset=utf-8", bundled(".js"));
  const style = asset(".css", "text/css; charset=utf-8", bundled(".css"));
  const icon = asset(".svg", "image/svg+xml", await readFile("storefront/icon.svg", "utf8"));
  const html = (await readFile("storefront/index.html", "utf8"))
    .replaceAll("icon.svg", icon.path)
    .replace("main.ts", script.path)
    .replace("style.css", style.path);
  const page = {
    path: "/",
    content_type: "text/html; charset=utf-8",
    body: html,
    etag: `"${hash(html)}"`,
    immutable: false,
  };
  return [page, script, style, icon];
}

const CHECK = ["./sdk/check/index.ts", "./sdk/check/device.ts"];

/** The SDK's style as a minified text, and the human check when it is there. */
const sdk_parts = {
  name: "sdk_parts",
  setup(setup) {
    setup.onLoad({ filter: /sdk\/.*\.css$/ }, async ({ path }) => ({
      contents: (await transform(await readFile(path, "utf8"), { loader: "css", minify: true }))
        .code,
      loader: "text",
    }));
    setup.onResolve({ filter: /^sluice:check$/ }, ({ path }) => ({ path, namespace: "check" }));
    setup.onLoad({ filter: /.*/, namespace: "check" }, () => ({
      contents: CHECK.filter((path) => existsSync(path))
        .map((path) => `export * from "${path}";`)
        .join(""),
      resolveDir: process.cwd(),
    }));
  },
};

/** Bundles the SDK into `dist/sdk`: the element, and chunks with hashed names that it loads later. */
async function sdk_files() {
  const built = await build({
    entryPoints: { "flash-sale": "sdk/index.ts" },
    bundle: true,
    minify: true,
    splitting: true,
    write: false,
    outdir: "dist/sdk",
    chunkNames: "[name].[hash]",
    format: "esm",
    target: "es2022",
    plugins: [sdk_parts],
  });
  await rm("dist/sdk", { recursive: true, force: true });
  await mkdir("dist/sdk", { recursive: true });
  return Promise.all(
    built.outputFiles.map(async ({ path, text }) => {
      const name = basename(path);
      await writeFile(`dist/sdk/${name}`, text);
      return {
        path: `/sdk/${name}`,
        content_type: "text/javascript; charset=utf-8",
        body: text,
        etag: `"${hash(text)}"`,
        immutable: name !== "flash-sale.js",
      };
    }),
  );
}

const storefront = {
  name: "storefront",
  setup(setup) {
    setup.onResolve({ filter: /^sluice:storefront$/ }, ({ path }) => ({
      path,
      namespace: "sluice",
    }));
    setup.onLoad({ filter: /.*/, namespace: "sluice" }, async () => ({
      contents: `export const page_files = ${JSON.stringify([
        ...(await storefront_files()),
        ...(await sdk_files()),
      ])};`,
    }));
  },
};

if (process.argv[2] === "vectors") {
  await build({
    entryPoints: ["vectors/write_vectors.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    outfile: "dist/write_vectors.mjs",
  });
} else {
  await build({
    entryPoints: ["worker/index.ts"],
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker"],
    external: ["cloudflare:workers"],
    plugins: [storefront],
    outfile: "dist/worker.js",
    logLevel: "info",
  });
}
