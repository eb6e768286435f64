import { expect, test } from "vitest";
import { Speech } from "./speech.ts";
import type { View } from "./view.ts";

const VIEW: View = {
  phase: "open",
  stock: "",
  countdown: null,
  state: "queued",
  tone: "info",
  headline: "You are in line",
  sentence: "Keep this page open.",
  button: null,
  step: 0,
  queue: { place: "100 before you", eta: "about 3 min", share: 0 },
  order: null,
};
const at = (place: number, more: Partial<View> = {}): View => ({
  ...VIEW,
  queue: { place: `${place} before you`, eta: "about 3 min", share: 1 - place / 100 },
  ...more,
});

test("a place is spoken when it has halved", () => {
  const speech = new Speech("Order");
  const first = speech.text(at(100));
  expect(first).toBe("You are in line Keep this page open. 100 before you. about 3 min");
  for (const place of [99, 80, 51]) expect(speech.text(at(place))).toBe(first);
  expect(speech.text(at(50))).toContain("50 before you");
  expect(speech.text(at(49))).toContain("50 before you");
});

test("why the line stops is spoken at once, and so is that it goes on", () => {
  const speech = new Speech("Order");
  speech.text(at(100));
  const stops = speech.text(at(99, { sentence: "No connection." }));
  expect(stops).toContain("No connection. 99 before you");
  expect(speech.text(at(98, { sentence: "No connection." }))).toBe(stops);
  expect(speech.text(at(97))).toContain("Keep this page open. 97 before you");
});

test("outside of the line every change of the words is spoken, with the order's number", () => {
  const speech = new Speech("Order");
  const order = { number: "S1", pay_left_ms: 9000, can_pay: true };
  const done = { state: "confirmed", headline: "It is yours", sentence: "", queue: null } as const;
  expect(speech.text(at(1, { ...done, order }))).toBe("It is yours Order S1");
});
