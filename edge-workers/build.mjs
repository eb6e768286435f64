/**
 * `npm run build`: SDK → `dist/sdk/`; storefront, pages and SDK → embedded files → `dist/worker.js`; the
 * control plane's live board → `dist/static/board/`.
 * `node build.mjs bench`: the program that measures what the doors cost → `dist/bench.mjs`.
 * `node build.mjs vectors`: the program that writes the golden vectors → `dist/write_vectors.mjs`.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build, transform } from "esbuild";
import { page_files } from "./pages/build.mjs";

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
async function build_sdk() {
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
  await Promise.all(
    built.outputFiles.map(({ path, text }) => writeFile(`dist/sdk/${basename(path)}`, text)),
  );
}

/** Bundles the board's page with uPlot into what Django serves under `/static/board/`. */
async function build_board() {
  await build({
    entryPoints: { board: "board/main.ts" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outdir: "dist/static/board",
  });
  await build({
    entryPoints: { board: "board/board.css" },
    bundle: true,
    minify: true,
    outdir: "dist/static/board",
  });
}

const storefront = {
  name: "storefront",
  setup(setup) {
    setup.onResolve({ filter: /^sluice:storefront$/ }, ({ path }) => ({
      path,
      namespace: "sluice",
    }));
    setup.onLoad({ filter: /.*/, namespace: "sluice" }, async () => {
      await build_sdk();
      const { files, hashed_names } = await page_files();
      const names = JSON.stringify(hashed_names);
      return {
        contents: `export const page_files = ${JSON.stringify(files)}; export const hashed_names = ${names};`,
      };
    });
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
  await build_board();
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
