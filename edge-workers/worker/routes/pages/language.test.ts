import { expect, test } from "vitest";
import { choose_language } from "./language.ts";

test.each([
  ["zh", "en", "zh"],
  ["zh-CN", undefined, "zh"],
  ["EN", "zh-CN,zh;q=0.9", "en"],
  ["fr", "zh-CN", "zh"],
  ["", "zh", "zh"],
  [undefined, "zh-CN,zh;q=0.9,en;q=0.8", "zh"],
  [undefined, "en-GB;q=0.8, zh-Hans-CN;q=0.9", "zh"],
  [undefined, "fr-FR,fr;q=0.9,en;q=0.5,zh;q=0.4", "en"],
  [undefined, "zh;q=0, en;q=0.1", "en"],
  [undefined, "fr", "en"],
  [undefined, "zh;q=lots", "en"],
  [undefined, "*", "en"],
  [undefined, undefined, "en"],
])("?lang=%s, Accept-Language: %s is %s", (asked, accepted, expected) => {
  expect(choose_language(asked, accepted)).toBe(expected);
});
