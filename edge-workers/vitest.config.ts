import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "shared/**/*.test.ts",
      "sdk/**/*.test.ts",
      "worker/**/*.test.ts",
      "vectors/**/*.test.ts",
      "on_workerd/**/*.test.ts",
      "storefront/**/*.test.ts",
      "sdk/**/*.test.ts",
      "pages/**/*.test.ts",
      "board/**/*.test.ts",
    ],
    // Upper bounds for a busy machine; nothing is timed against them.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    setupFiles: ["./web_crypto_on_node.ts"],
  },
});
