import { describe, expect, test } from "vitest";
import { choose, en, type Messages, NEWS_TONES, zh } from "./messages.ts";

// DESIGN §2 (outcomes of buy) and §4.10 (states of a reservation).
const OUTCOMES = `reserved pending queued limit_reached sold_out ended not_started challenge denied
  bad_token bad_request not_found rate_limited busy`.split(/\s+/);
const STATES = ["reserved", "confirmed", "paid", "expired", "cancelled", "rejected"];

test("every outcome and every state has its words", () => {
  expect(Object.keys(NEWS_TONES)).toEqual(expect.arrayContaining([...OUTCOMES, ...STATES]));
});

describe.each([
  ["en", en],
  ["zh", zh],
] as [string, Messages][])("%s", (_language, words) => {
  test("says everything in a headline and a sentence", () => {
    expect(Object.keys(words.news)).toEqual(Object.keys(NEWS_TONES));
    for (const [headline, sentence] of Object.values(words.news)) {
      expect(headline).not.toBe("");
      expect(sentence).not.toBe("");
    }
  });

  test("names the order exactly where there is one", () => {
    const naming = Object.entries(words.news).filter(([, [, sentence]]) =>
      sentence.includes("{order}"),
    );
    expect(naming.map(([news]) => news)).toEqual(["confirmed", "paid"]);
  });
});

test("the language asked for wins over the browser's", () => {
  expect(choose("zh-CN", "en-GB")).toBe(zh);
  expect(choose("en", "zh-CN")).toBe(en);
  expect(choose(null, "zh-TW")).toBe(zh);
  expect(choose(null, "fr")).toBe(en);
});
