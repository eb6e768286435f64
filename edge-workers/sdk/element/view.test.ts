import { describe, expect, test } from "vitest";
import { type Machine, new_machine, STATES, type State } from "../machine/machine.ts";
import { en } from "../words/en.ts";
import { choose_words } from "../words/index.ts";
import { HINDRANCES, tone_of, type Words } from "../words/words.ts";
import { zh } from "../words/zh.ts";
import { type Facts, money } from "./facts.ts";
import { LATE_MONEY_MS, view_of } from "./view.ts";

const FACTS: Facts = {
  id: 7,
  title: "Lamp",
  price_minor: 1999,
  currency: "CNY",
  units: 2000,
  limit: 1,
  stock: null,
  state: "live",
  start_ms: 100_000,
  end_ms: 200_000,
  queue: null,
};
const DRAW: Facts = { ...FACTS, queue: { mode: "draw", opens_ms: 50_000 } };
const in_state = (state: State, more: Partial<Machine> = {}): Machine => ({
  ...new_machine("k"),
  state,
  ...more,
});
const see = (machine: Machine, now_ms: number | null = 150_000, facts = FACTS) =>
  view_of(machine, facts, now_ms, en);

describe.each([
  ["en", en],
  ["zh", zh],
] as [string, Words][])("%s", (_lang, words) => {
  test("says every state in a headline and a sentence", () => {
    expect(Object.keys(words.states).sort()).toEqual([...STATES].sort());
    for (const state of STATES.filter((one) => one !== "waiting")) {
      for (const text of words.states[state]) expect(text, state).not.toBe("");
    }
  });

  test("says why it does not go on", () => {
    expect(Object.keys(words.hindrances).sort()).toEqual([...HINDRANCES].sort());
  });

  test("does not say of a reservation that it is an order, nor of silence that it is a no", () => {
    const [, reserved] = words.states.reserved;
    expect(reserved).toMatch(words.lang === "en" ? /not confirmed yet/ : /尚未确认/);
    expect(words.states.pending.join()).not.toMatch(/sorry|failed|抱歉|失败/);
    expect(words.states.unknown.join()).not.toMatch(/sold out|售罄/i);
  });
});

test("every state feels like what it is", () => {
  const feels = (tone: string) => STATES.filter((state) => tone_of(state) === tone);
  expect(feels("good")).toEqual(["lobby", "confirmed", "paid"]);
  expect(feels("info").join(" ")).toBe("waiting joining entering queued buying pending reserved");
});

test("how the stock stands is told to who only looks: who asked has heard it himself", () => {
  const total = "2,000 units · 1 per person";
  const stock = (state: State, level: Facts["stock"]) =>
    see(in_state(state), 150_000, { ...FACTS, stock: level }).stock;
  expect(stock("waiting", null)).toBe(total);
  expect(stock("waiting", "selling")).toBe(`Selling now · ${total}`);
  expect(stock("waiting", "sold_out")).toBe(`Sold out for now · ${total}`);
  for (const state of STATES.filter((one) => one !== "waiting")) {
    expect(stock(state, "selling"), state).toBe(total);
  }
});

test("who has a puzzle to solve is told so, wherever he is, and has no other button", () => {
  for (const machine of [
    in_state("entering", { slider: {} }),
    in_state("entering", { slider: {}, resume: "queued", ticket: "t", place: 3 }),
    in_state("joining", { slider: {} }),
  ]) {
    expect(see(machine)).toMatchObject({ sentence: en.hindrances.challenge, button: null });
    // It is shown by the tab that has the turn, and is not below in the others.
    for (const words of [en, zh]) {
      const elsewhere = view_of(machine, FACTS, 150_000, words, false, false);
      expect(elsewhere).toMatchObject({ sentence: words.elsewhere, button: null });
    }
  }
  const offline = in_state("entering", { slider: {}, hindrance: "offline" });
  expect(see(offline).sentence).toBe(en.hindrances.offline);
  expect(see(in_state("challenge", { slider: {} })).sentence).toBe(en.states.challenge[1]);
});

test("the first wish for a language decides", async () => {
  expect(await choose_words("zh-CN", "en")).toBe(zh);
  expect(await choose_words(null, "", "zh-TW")).toBe(zh);
  expect(choose_words("en", "zh")).toBe(en);
  expect(choose_words(null, "fr")).toBe(en);
  expect(choose_words(null)).toBe(en);
});

describe("before the button is pressed", () => {
  const waiting = in_state("waiting");
  test.each([
    ["before the start", 99_999, FACTS, en.not_yet, null, 1],
    ["at the start", 100_000, FACTS, en.buy, "press", 100_000],
    ["just before the end", 199_999, FACTS, en.buy, "press", 1],
    ["before a draw opens", 49_999, DRAW, en.draw_later, null, 50_001],
    ["while a draw is open", 50_000, DRAW, en.join, "join", 50_000],
  ] as const)("%s", (_when, now_ms, facts, text, does, left_ms) => {
    const view = see(waiting, now_ms, facts);
    expect(view.button).toEqual({ text, does });
    expect(view.countdown?.left_ms).toBe(left_ms);
  });

  test("after the end there is nothing to press and nothing to count", () => {
    expect(see(waiting, 200_000)).toMatchObject({
      countdown: null,
      button: { text: en.closed, does: null },
    });
    expect(see(waiting, 150_000, { ...FACTS, state: "ended" }).button?.does).toBeNull();
  });

  test("a time that is not known is not guessed", () => {
    const view = see(waiting, null);
    expect(view).toMatchObject({ phase: "unknown", countdown: null, button: { does: null } });
  });
});

describe("while it is going on", () => {
  test("nothing can be pressed", () => {
    for (const state of STATES) {
      const view = see(in_state(state));
      const can_press = view.button?.does != null;
      const may_press = `waiting rejected expired cancelled sold_out challenge bad_token no_session`;
      expect(can_press, state).toBe(may_press.split(" ").includes(state));
    }
  });

  test("who waits sees his place, for how long, and how far he has come", () => {
    const waiting = in_state("queued", { place: 1250, first_place: 5000, eta_ms: 125_000 });
    expect(see(waiting).queue).toEqual({
      place: "1,250 before you",
      eta: "about 3 min",
      share: 0.75,
    });
    expect(see(in_state("queued", { place: 0, first_place: 9, eta_ms: 10 })).queue).toEqual({
      place: en.next,
      eta: "",
      share: 1,
    });
    expect(see(in_state("queued")).queue).toEqual({ place: "", eta: "", share: 0 });
  });

  test("being let in again does not look like losing the place", () => {
    const renewing = in_state("entering", { resume: "queued", place: 3, first_place: 9 });
    expect(see(renewing)).toMatchObject({ state: "queued", headline: en.states.queued[0] });
  });

  test("what keeps it from going on is said, also when a newer server has a new word for it", () => {
    expect(see(in_state("buying", { hindrance: "offline" })).sentence).toBe(en.hindrances.offline);
    expect(see(in_state("buying", { hindrance: "new_word" })).sentence).toBe(en.hindrances.busy);
  });

  test("the number in the draw is told", () => {
    const view = see(in_state("lobby", { lobby_number: 1234 }), 60_000, DRAW);
    expect(view.sentence).toContain("1,234");
    expect(view.countdown?.left_ms).toBe(40_000);
  });
});

describe("an order", () => {
  const confirmed = in_state("confirmed", { order: "S1", pay_by_ms: 160_000 });

  test("is shown with its number and the time to pay", () => {
    expect(see(confirmed).order).toEqual({ number: "S1", pay_left_ms: 10_000, can_pay: true });
    expect(see(confirmed).step).toBe(2);
  });

  test("cannot be paid after its time, also before the server has said that it expired", () => {
    expect(see(confirmed, 160_000).order).toMatchObject({ pay_left_ms: 0, can_pay: false });
  });

  test("that is paid has its number and nothing to pay", () => {
    const paid = see({ ...confirmed, state: "paid" });
    expect(paid.order).toEqual({ number: "S1", pay_left_ms: null, can_pay: false });
    expect(paid.step).toBe(4);
  });

  test("being paid for says so", () => {
    expect(view_of(confirmed, FACTS, 150_000, en, true).sentence).toBe(en.paying);
  });

  test("whose time has passed while it was being paid for is not told as lost", () => {
    const expired: Machine = { ...confirmed, state: "expired" };
    expect(view_of(expired, FACTS, 150_000, en).sentence).toBe(en.states.expired[1]);
    // By what is kept, and so after a reload too.
    const paying = { ...expired, is_paying: true };
    expect(view_of(paying, FACTS, 150_000, en).sentence).toBe(en.paid_late);
    expect(view_of(paying, FACTS, 150_000, zh).sentence).toBe(zh.paid_late);
  });

  test("that money has not come for is told as expired, once it is too late to hope", () => {
    const paying: Machine = { ...confirmed, state: "expired", is_paying: true };
    const last_ms = (confirmed.pay_by_ms as number) + LATE_MONEY_MS;
    expect(view_of(paying, FACTS, last_ms, en).sentence).toBe(en.paid_late);
    expect(view_of(paying, FACTS, last_ms + 1, en).sentence).toBe(en.states.expired[1]);
    expect(view_of({ ...paying, pay_by_ms: null }, FACTS, 1e12, en).sentence).toBe(en.paid_late);
  });
});

test.each([
  [1999, "CNY", "en", "¥19.99"],
  [1999, "JPY", "en", "¥1,999"],
  [199_900, "EUR", "zh-CN", "€1,999.00"],
])("%i minor units of %s in %s", (minor, currency, locale, shown) => {
  expect(money(minor, currency, locale)).toBe(shown);
});
