import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "worker/**/*.test.ts",
      "vectors/**/*.test.ts",
      "on_workerd/**/*.test.ts",
      "storefront/**/*.test.ts",
    ],
    setupFiles: ["./web_crypto_on_node.ts"],
  },
});
