import { expect, test } from "vitest";
import { draw_href } from "./draw_link.ts";

const NOTHING = { lobby_number: null, bucket: null, commit: null };

test.each([
  ["nothing yet", undefined, "/draw/7?lang=zh-CN"],
  ["no draw", NOTHING, "/draw/7?lang=zh-CN"],
  [
    "his number, its bucket and the hash",
    { lobby_number: 0, bucket: "vip", commit: "c0ffee" },
    "/draw/7?lang=zh-CN#number=0&bucket=vip&commit=c0ffee",
  ],
  [
    "that he came behind the draw",
    { ...NOTHING, bucket: "vip", commit: "c0ffee" },
    "/draw/7?lang=zh-CN#commit=c0ffee",
  ],
])("who was told %s takes it along", (_, told, href) => {
  expect(draw_href(7, "zh-CN", told)).toBe(href);
});
