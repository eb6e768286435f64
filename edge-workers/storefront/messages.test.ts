import { expect, test } from "vitest";
import { choose, en, zh } from "./messages.ts";

test("both languages say the same things", () => {
  expect(Object.keys(zh)).toEqual(Object.keys(en));
  expect(zh.promises).toHaveLength(en.promises.length);
});

test("the language asked for wins over the browser's", () => {
  expect(choose("zh-CN", "en-GB")).toBe(zh);
  expect(choose("en", "zh-CN")).toBe(en);
  expect(choose(null, "zh-TW")).toBe(zh);
  expect(choose(null, "fr")).toBe(en);
});
