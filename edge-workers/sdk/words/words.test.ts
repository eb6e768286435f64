import { afterEach, expect, test, vi } from "vitest";
import { en } from "./en.ts";

afterEach(() => {
  vi.doUnmock("./zh.ts");
  vi.resetModules();
});

test("where Chinese cannot be loaded it is English, until it can", async () => {
  vi.doMock("./zh.ts", () => Promise.reject(new TypeError("Failed to fetch")));
  const { choose_words } = await import("./index.ts");
  expect(await choose_words("zh")).toEqual(en);
  vi.doUnmock("./zh.ts");
  expect(await choose_words("zh")).toMatchObject({ lang: "zh" });
});
