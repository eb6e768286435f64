/**
 * `npm run build`: storefront and pages → embedded files → `dist/worker.js`.
 * `node build.mjs vectors`: the program that writes the golden vectors → `dist/write_vectors.mjs`.
 */
import { build } from "esbuild";
import { page_files } from "./pages/build.mjs";

const storefront = {
  name: "storefront",
  setup(setup) {
    setup.onResolve({ filter: /^sluice:storefront$/ }, ({ path }) => ({
      path,
      namespace: "sluice",
    }));
    setup.onLoad({ filter: /.*/, namespace: "sluice" }, async () => {
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
