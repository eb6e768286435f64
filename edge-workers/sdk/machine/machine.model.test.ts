/** Random sequences of answers, and a small shop that really gives units away. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Answer, NO_ANSWER, OFFLINE, UNNAMED } from "../wire/ask.ts";
import { type Machine, new_machine, STATES } from "./machine.ts";
import { next_look, next_request, type Signal, step } from "./step.ts";
import { is_end, TABLE } from "./table.ts";
import { LONGEST_MS } from "./waiting.ts";

const REFUSALS = `limit_reached sold_out ended not_started challenge denied bad_token bad_request
  not_found rate_limited busy no_session`.split(/\s+/);
const GOOD = "reserved pending queued confirmed paid rejected expired cancelled".split(" ");
const SILENCE = [OFFLINE, NO_ANSWER, UNNAMED];

const body = fc.record(
  {
    ticket: fc.constantFrom("t1", "t2"),
    place: fc.nat(1000),
    reservation_id: fc.constantFrom("r1", "r2"),
    status_url: fc.constant("/v1/reservations/r"),
    entry_token: fc.constant("e1"),
    buy_url: fc.constant("/v1/items/7/k/buy"),
    detail: fc.constantFrom("ticket", "other"),
    order: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
    slider: fc.anything(),
  },
  { requiredKeys: [] },
);
const answer: fc.Arbitrary<Answer> = fc.record({
  ok: fc.boolean(),
  code: fc.constantFrom(...REFUSALS, ...GOOD, ...SILENCE, "of another version"),
  body,
  retry_after_ms: fc.option(fc.integer({ min: 1, max: 2 ** 40 })),
});
const chance = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const request = fc.constantFrom("lobby", "entry", "buy", "status" as const);
const signal = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("reply"), answer, chance }) },
  fc.record({ kind: fc.constant("answer"), request, answer, chance }),
  fc.record({ kind: fc.constant("press"), key: fc.constantFrom("k2", "k3") }),
  fc.constant({ kind: "join" }),
  fc.record({ kind: fc.constant("start"), chance }),
);
type Drawn = Signal | { kind: "reply"; answer: Answer; chance: number };

/** Every machine that comes of the signals; `reply` answers whatever is being asked. */
function course(signals: Drawn[]): Machine[] {
  const machines = [new_machine("k1")];
  for (const drawn of signals) {
    let machine = machines.at(-1) as Machine;
    if (drawn.kind !== "reply") {
      machines.push(step(machine, drawn as Signal));
      continue;
    }
    const asks = next_request(machine)?.asks;
    if (asks === undefined) continue;
    machine = step(machine, { kind: "asking", request: asks });
    machines.push(machine, step(machine, { ...drawn, kind: "answer", request: asks }));
  }
  return machines;
}

const courses = fc.array(signal as fc.Arbitrary<Drawn>, { maxLength: 40 });
const RUNS = { numRuns: 300 };

describe("whatever is answered", () => {
  test("the purchase is in a known state and its wait is one that a timer can take", () => {
    fc.assert(
      fc.property(courses, (signals) => {
        for (const machine of course(signals)) {
          expect(STATES).toContain(machine.state);
          expect(machine.wait_ms).toBeGreaterThanOrEqual(0);
          expect(machine.wait_ms).toBeLessThanOrEqual(LONGEST_MS);
        }
      }),
      RUNS,
    );
  });

  test("an end stays until the shopper himself begins anew", () => {
    fc.assert(
      fc.property(courses, fc.array(answer, { maxLength: 5 }), (signals, answers) => {
        const last = course(signals).at(-1) as Machine;
        fc.pre(is_end(last.state));
        expect(next_request(last)).toBeNull();
        for (const one of answers) {
          for (const asked of ["lobby", "entry", "buy", "status"] as const) {
            // Money that comes late.
            if (asked === next_look(last) && one.code === "paid") continue;
            const late = { kind: "answer", request: asked, answer: one, chance: 0 } as const;
            expect(step(last, late)).toBe(last);
          }
        }
      }),
      RUNS,
    );
  });

  test("the key changes only when an ended purchase is begun anew", () => {
    fc.assert(
      fc.property(courses, (signals) => {
        const machines = course(signals);
        for (const [index, machine] of machines.entries()) {
          const before = machines[index - 1];
          if (before !== undefined && before.key !== machine.key) {
            expect(is_end(before.state), `${before.state} → ${machine.state}`).toBe(true);
            expect(machine.state).toBe("entering");
          }
        }
      }),
      RUNS,
    );
  });

  test("a server's wait is kept", () => {
    fc.assert(
      fc.property(courses, answer, chance, (signals, one, drawn) => {
        const machine = course(signals).at(-1) as Machine;
        const asks = next_request(machine)?.asks;
        fc.pre(asks !== undefined && one.retry_after_ms !== null);
        const after = step(machine, { kind: "answer", request: asks, answer: one, chance: drawn });
        fc.pre(after.state === machine.state && TABLE[after.state].asks !== null);
        const least_ms = Math.min(one.retry_after_ms as number, LONGEST_MS);
        expect(after.wait_ms).toBeGreaterThanOrEqual(least_ms);
      }),
      RUNS,
    );
  });

  test("what may have been taken is never told as no by who did not look", () => {
    fc.assert(
      fc.property(courses, (signals) => {
        for (const machine of course(signals)) {
          if (machine.reservation_id === null && !machine.is_unanswered) continue;
          expect(["ended", "denied", "not_found"]).not.toContain(machine.state);
        }
      }),
      RUNS,
    );
  });
});

/** A stock that remembers: one unit a key, as the reservation script does it. */
class Shop {
  readonly taken = new Set<string>();

  buy(key: string, network: "good" | "lost before" | "lost after" | "busy" | "pending"): Answer {
    const silent = (code: string) => ({ ok: false, code, body: {}, retry_after_ms: null });
    if (network === "lost before") return silent(OFFLINE);
    if (network === "busy") return silent("busy");
    this.taken.add(key);
    if (network === "lost after") return silent(NO_ANSWER);
    const found = { reservation_id: `r-${key}`, status_url: `/v1/reservations/r-${key}` };
    const code = network === "pending" ? "pending" : "reserved";
    return { ok: true, code, body: { outcome: code, ...found }, retry_after_ms: null };
  }
}

test("however the network fails and he presses, one shopper takes one unit", () => {
  const network = fc.constantFrom("good", "lost before", "lost after", "busy", "pending" as const);
  const moves = fc.array(fc.record({ network, presses: fc.boolean(), token: fc.boolean() }), {
    maxLength: 60,
  });
  const entered = { entry_token: "e", buy_url: "/v1/items/7/k/buy" };
  fc.assert(
    fc.property(moves, (drawn) => {
      const shop = new Shop();
      let machine = new_machine("k0");
      for (const [index, move] of [...drawn, ...drawn].entries()) {
        if (move.presses) machine = step(machine, { kind: "press", key: `k${index + 1}` });
        const asks = next_request(machine)?.asks;
        if (asks === undefined) continue;
        machine = step(machine, { kind: "asking", request: asks });
        let reply: Answer = { ok: true, code: UNNAMED, body: entered, retry_after_ms: null };
        if (asks === "buy") reply = shop.buy(machine.key, move.network as "good");
        else if (asks === "status" || !move.token) {
          const is_known = shop.taken.has(machine.key);
          reply = { ...reply, ok: is_known, code: is_known ? "reserved" : "busy", body: {} };
          if (!move.token) reply = { ...reply, ok: false, code: "bad_token" };
        }
        machine = step(machine, { kind: "answer", request: asks, answer: reply, chance: 0.5 });
      }
      expect(shop.taken.size).toBeLessThanOrEqual(1);
    }),
    { numRuns: 1000 },
  );
});
