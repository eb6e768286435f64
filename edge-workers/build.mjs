/**
 * `npm run build`: storefront → embedded files → `dist/worker.js`.
 * `node build.mjs bench`: the program that measures what the doors cost → `dist/bench.mjs`.
 * `node build.mjs vectors`: the program that writes the golden vectors → `dist/write_vectors.mjs`.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { build } from "esbuild";

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

const storefront = {
  name: "storefront",
  setup(setup) {
    setup.onResolve({ filter: /^sluice:storefront$/ }, ({ path }) => ({
      path,
      namespace: "sluice",
    }));
    setup.onLoad({ filter: /.*/, namespace: "sluice" }, async () => ({
      contents: `export const page_files = ${JSON.stringify(await storefront_files())};`,
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
} else if (process.argv[2] === "bench") {
  await build({
    entryPoints: ["on_workerd/bench.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    packages: "external",
    outfile: "dist/bench.mjs",
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
