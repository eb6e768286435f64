import { describe, expect, test } from "vitest";
import { type Answer, NO_ANSWER, OFFLINE, silence, UNNAMED } from "../wire/ask.ts";
import { type Machine, new_machine, type Request, type State } from "./machine.ts";
import { is_settled, next_look, next_request, step } from "./step.ts";
import { backoff_ms } from "./waiting.ts";

const ok = (body: Record<string, unknown>): Answer => ({
  ok: true,
  code: String(body.outcome ?? body.state ?? UNNAMED),
  body,
  retry_after_ms: (body.retry_after_ms as number) ?? null,
});
const no = (code: string, body: Record<string, unknown> = {}): Answer => ({
  ok: false,
  code,
  body: { code, ...body },
  retry_after_ms: (body.retry_after_ms as number) ?? null,
});

const ENTRY = ok({ entry_token: "e1", buy_url: "/v1/items/7/key/buy" });
const QUEUED = ok({ outcome: "queued", ticket: "t1", place: 12, eta_ms: 900, retry_after_ms: 450 });
const RESERVED = ok({ outcome: "reserved", reservation_id: "r", status_url: "/v1/reservations/r" });
const PENDING = ok({ outcome: "pending", reservation_id: "r", status_url: "/v1/reservations/r" });
const CONFIRMED = ok({ state: "confirmed", order: "S1", pay_by_ms: 5000 });

/** The purchase after these answers, each to the request that its state asks. */
function after(answers: Answer[], begin = step(new_machine("k1"), { kind: "press", key: "k1" })) {
  return answers.reduce((machine, answer) => answered(machine, answer), begin);
}

function answered(machine: Machine, answer: Answer, chance = 0.5): Machine {
  const next = next_request(machine);
  if (next === null) throw new Error(`${machine.state} asks nothing`);
  const asking = step(machine, { kind: "asking", request: next.asks });
  return step(asking, { kind: "answer", request: next.asks, answer, chance });
}

test("a good purchase goes from the button to the order", () => {
  const states: State[] = [];
  let machine = step(new_machine("k1"), { kind: "press", key: "k1" });
  for (const answer of [ENTRY, QUEUED, RESERVED, CONFIRMED, ok({ state: "paid", order: "S1" })]) {
    states.push(machine.state);
    machine = answered(machine, answer);
  }
  expect([...states, machine.state]).toEqual([
    "entering",
    "buying",
    "queued",
    "reserved",
    "confirmed",
    "paid",
  ]);
  expect(machine).toMatchObject({ order: "S1", pay_by_ms: 5000, reservation_id: "r", key: "k1" });
  expect(next_request(machine)).toBeNull();
});

test("a place in the draw is kept until the start and then shown", () => {
  const joining = step(new_machine("k1"), { kind: "join" });
  const lobby = answered(
    joining,
    ok({ ticket: "t0", lobby_number: 3, commit: "c", bucket: "vip" }),
  );
  expect(lobby).toMatchObject({ state: "lobby", ticket: "t0", lobby_number: 3, commit: "c" });
  expect(next_request(lobby)).toBeNull();
  const started = step(lobby, { kind: "start", chance: 0.5 });
  expect(next_request(started)).toEqual({ asks: "entry", wait_ms: 1500 });
  expect(answered(started, ENTRY)).toMatchObject({ state: "queued", ticket: "t0" });
});

test("who comes too late for the lobby goes to the door", () => {
  const joining = step(new_machine("k1"), { kind: "join" });
  expect(answered(joining, no("ended", { detail: "closed" })).state).toBe("entering");
});

describe("what passes is asked again", () => {
  test.each([
    ["busy", { retry_after_ms: 700 }, 700],
    ["rate_limited", { retry_after_ms: 310 }, 310],
    ["not_started", { retry_after_ms: 60_000 }, 60_000],
    ["not_started", { retry_after_ms: 9e12 }, 3_600_000],
    [OFFLINE, {}, 250],
    [NO_ANSWER, {}, 250],
  ])("%s %j after %i ms", (code, body, wait_ms) => {
    const machine = after([no(code, body)]);
    expect(machine).toMatchObject({ state: "entering", hindrance: code, wait_ms });
  });

  test("an error page of somebody between is busy", () => {
    expect(after([ENTRY, no(UNNAMED)])).toMatchObject({ state: "buying", hindrance: "busy" });
    expect(after([ok({})])).toMatchObject({ state: "entering", hindrance: "busy" });
  });

  test("the waiting grows and is jittered over its whole length", () => {
    expect([0, 1, 2, 3].map((failures) => backoff_ms(failures, null, 0.5))).toEqual([
      250, 500, 1000, 2000,
    ]);
    expect(backoff_ms(30, null, 1)).toBe(15_000);
    expect(backoff_ms(30, null, 0)).toBe(0);
    expect(backoff_ms(3, 9000, 0.1)).toBe(9000);
  });

  test("who waits in the queue asks when he is told to", () => {
    expect(next_request(after([ENTRY, QUEUED]))).toEqual({ asks: "buy", wait_ms: 450 });
  });
});

describe("a purchase without an answer", () => {
  test.each([OFFLINE, NO_ANSWER, UNNAMED, "busy"])("%s: the repeat says so", (code) => {
    const machine = after([ENTRY, silence(code)]);
    expect(machine).toMatchObject({ state: "buying", key: "k1", is_unanswered: true });
    expect(step(machine, { kind: "asking", request: "buy" }).is_repeat).toBe(true);
  });

  test("a refusal leaves nothing open", () => {
    const machine = after([ENTRY, no("rate_limited", { retry_after_ms: 300 })]);
    expect(machine.is_unanswered).toBe(false);
    expect(step(machine, { kind: "asking", request: "buy" }).is_repeat).toBe(false);
  });

  test.each(["ended", "denied"])("%s afterwards is unknown, not no", (code) => {
    expect(after([ENTRY, no(code)]).state).toBe(code);
    expect(after([ENTRY, silence(NO_ANSWER), no(code)]).state).toBe("unknown");
  });

  test("sold out afterwards is true: the stock was asked", () => {
    expect(after([ENTRY, silence(NO_ANSWER), no("sold_out")]).state).toBe("sold_out");
  });

  test("pending is asked for, and bought again with the same key when it was not taken", () => {
    const machine = after([ENTRY, PENDING, no("busy"), no("not_found")]);
    expect(machine).toMatchObject({ state: "buying", key: "k1" });
    expect(step(machine, { kind: "asking", request: "buy" }).is_repeat).toBe(true);
  });

  test("one that is pending and cannot be asked for any more is unknown", () => {
    expect(after([ENTRY, PENDING, no("bad_token"), no("ended")]).state).toBe("unknown");
  });
});

describe("a token", () => {
  test("that has expired in the queue is replaced, and the place is kept", () => {
    const machine = after([ENTRY, QUEUED, no("bad_token")]);
    expect(machine).toMatchObject({ state: "entering", ticket: "t1" });
    expect(answered(machine, ENTRY)).toMatchObject({ state: "queued", entry_token: "e1" });
  });

  test("that has expired before the order is read is replaced, too", () => {
    expect(after([ENTRY, RESERVED, no("bad_token"), ENTRY]).state).toBe("reserved");
  });

  test("of a path that has changed is replaced", () => {
    expect(after([ENTRY, no("not_found")]).state).toBe("entering");
  });

  test("that is refused three times in a row is the end, and the place is kept for another try", () => {
    const refused = [no("bad_token"), ENTRY];
    const machine = after([ENTRY, QUEUED, ...refused, ...refused, no("bad_token")]);
    expect(machine).toMatchObject({ state: "bad_token", ticket: "t1" });
    expect(is_settled(machine)).toBe(false);
    const again = step(machine, { kind: "press", key: "k2" });
    expect(again).toMatchObject({ state: "entering", key: "k1", ticket: "t1", refused: 0 });
  });

  test("and a ticket that is refused is thrown away", () => {
    const machine = after([ENTRY, QUEUED, no("bad_token", { detail: "ticket" }), ENTRY]);
    expect(machine).toMatchObject({ state: "buying", ticket: null, place: null });
  });
});

describe("a check", () => {
  test("that did not satisfy is shown again, with what the edge asks for", () => {
    const machine = after([no("challenge", { slider: { width: 300 } })]);
    expect(machine).toMatchObject({ state: "entering", slider: { width: 300 } });
    expect(answered(machine, ENTRY)).toMatchObject({ state: "buying", slider: null });
  });

  const PUZZLE = no("challenge", { slider: { width: 300 } });

  test("of which three puzzles were solved wrongly is the end; being asked is not counted", () => {
    expect(after([PUZZLE, PUZZLE, PUZZLE])).toMatchObject({ state: "entering", checks: 2 });
    expect(after([PUZZLE, PUZZLE, PUZZLE, no("challenge")]).state).toBe("challenge");
  });

  test("is forgotten once he is let in, however long the line and however many the puzzles", () => {
    const renewals = Array.from({ length: 8 }, () => [
      QUEUED,
      no("bad_token"),
      PUZZLE,
      PUZZLE,
      ENTRY,
    ]);
    expect(after([ENTRY, ...renewals.flat()])).toMatchObject({ state: "queued", checks: 0 });
  });

  test("is asked for when the token of before is not renewed, which is no wrong answer", () => {
    const machine = after([ENTRY, QUEUED, no("bad_token"), no("challenge")]);
    expect(machine).toMatchObject({
      state: "entering",
      entry_token: null,
      checks: 0,
      ticket: "t1",
    });
    expect(answered(machine, ENTRY)).toMatchObject({ state: "queued", entry_token: "e1" });
  });

  test("whose time was up is no wrong answer, however often", () => {
    const renewed = no("challenge", { slider: { width: 300, renewed: true } });
    const late = after([PUZZLE, ...Array(5).fill(renewed)]);
    expect(late).toMatchObject({ state: "entering", checks: 0, slider: { renewed: true } });
    expect(after([PUZZLE, PUZZLE, renewed, PUZZLE]).checks).toBe(2);
  });

  test("does not help with a gateway that challenges every token", () => {
    const round = [no("challenge"), ENTRY];
    const once = after([ENTRY, no("challenge")]);
    expect(once).toMatchObject({ state: "entering", entry_token: null });
    expect(after([ENTRY, ...round, ...round, no("challenge")]).state).toBe("challenge");
  });

  test("that a gateway wants is the puzzle, and the place in the line is kept", () => {
    const asked = no("challenge", { detail: "puzzle" });
    const challenged = after([ENTRY, QUEUED, asked]);
    expect(challenged).toMatchObject({ state: "entering", puzzle: true, ticket: "t1", checks: 0 });
    const shown = answered(challenged, PUZZLE);
    expect(shown).toMatchObject({ puzzle: true, checks: 0 });
    // Solved wrongly three times and begun anew: it is still the puzzle that is wanted.
    expect(answered(shown, no("challenge"))).toMatchObject({ puzzle: true, slider: null });
    const passed = answered(shown, ENTRY);
    expect(passed).toMatchObject({ state: "queued", ticket: "t1", puzzle: false, slider: null });
    expect(answered(passed, RESERVED)).toMatchObject({ state: "reserved", refused: 0 });
  });

  test("that the lobby's gateway wants is the puzzle, and three tokens challenged are the end", () => {
    const asked = no("challenge", { detail: "puzzle" });
    const joining = step(new_machine("k1"), { kind: "join" });
    expect(after([asked], joining)).toMatchObject({ state: "joining", puzzle: true, checks: 0 });
    const joined = ok({ ticket: "t0", lobby_number: 3 });
    expect(after([asked, PUZZLE, joined], joining)).toMatchObject({
      state: "lobby",
      puzzle: false,
      refused: 0,
    });
    expect(after([asked, PUZZLE, asked, PUZZLE, asked], joining).state).toBe("challenge");
  });

  test("is the end after three", () => {
    const machine = after([no("challenge"), no("challenge"), no("challenge")]);
    expect(machine.state).toBe("challenge");
    expect(step(machine, { kind: "press", key: "k2" })).toMatchObject({
      state: "entering",
      checks: 0,
    });
  });
});

test.each(["sold_out", "limit_reached", "ended", "denied", "bad_request"])(
  "%s ends it at once",
  (code) => {
    const machine = after([ENTRY, no(code)]);
    expect(machine.state).toBe(code);
    expect(next_request(machine)).toBeNull();
  },
);

describe("an order that is known", () => {
  const ordered = [ENTRY, RESERVED, CONFIRMED, no("bad_token")];

  test.each(["ended", "denied", "not_found"])(
    "stays what it was when he is not let in any more: %s",
    (code) => {
      const machine = after([...ordered, no(code)]);
      expect(machine).toMatchObject({ state: "confirmed", order: "S1", hindrance: null });
      expect(next_request(machine)).toBeNull();
    },
  );

  test("that has expired may be found paid, and nothing else changes it", () => {
    const expired = after([ENTRY, RESERVED, CONFIRMED, ok({ state: "expired" })]);
    expect(next_request(expired)).toBeNull();
    expect(next_look(expired)).toBe("status");
    const look = (answer: Answer) =>
      step(expired, { kind: "answer", request: "status", answer, chance: 0.5 });
    for (const code of ["busy", "bad_token", "not_found", "confirmed"]) {
      expect(look(no(code))).toBe(expired);
    }
    expect(look(ok({ state: "expired" }))).toBe(expired);
    const paid = look(ok({ state: "paid", order: "S2" }));
    expect(paid).toMatchObject({ state: "paid", order: "S2", hindrance: null });
    expect(next_look(paid)).toBeNull();
  });
});

test("a new try after the end is a new purchase with a new key", () => {
  const expired = after([ENTRY, RESERVED, ok({ state: "expired" })]);
  const again = step(expired, { kind: "press", key: "k2" });
  expect(again).toMatchObject({ state: "entering", key: "k2", reservation_id: null, ticket: null });
});

test("without a session there is nothing to buy with", () => {
  expect(after([silence("no_session")]).state).toBe("no_session");
});

test("an answer to what is not asked any more changes nothing", () => {
  const machine = after([ENTRY, RESERVED]);
  const late = {
    kind: "answer",
    request: "buy" as Request,
    answer: no("sold_out"),
    chance: 0,
  } as const;
  expect(step(machine, late)).toBe(machine);
});
