import { expect, test } from "vitest";
import { without_floods } from "./log.ts";

test("a flood of one event becomes a line a second that counts the rest", () => {
  let now_ms = 0;
  const lines: unknown[] = [];
  const log = without_floods(
    (_level, event, fields) => lines.push([event, fields]),
    () => now_ms,
  );
  for (; now_ms < 2500; now_ms += 10) log("error", "origin_did_not_answer", { reason: "away" });
  expect(lines).toEqual([
    ["origin_did_not_answer", { reason: "away" }],
    ["origin_did_not_answer", { reason: "away", left_out: 99 }],
    ["origin_did_not_answer", { reason: "away", left_out: 99 }],
  ]);
});

test("other events are not held back by it", () => {
  const events: string[] = [];
  const log = without_floods(
    (_level, event) => events.push(event),
    () => 0,
  );
  for (const event of ["a", "a", "b", "a", "c"]) log("info", event);
  expect(events).toEqual(["a", "b", "c"]);
});
