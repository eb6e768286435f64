/** The loop over tabs and reloads, against a stock that remembers; no timers, no network. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LOOKS_MAX } from "./machine/waiting.ts";
import { good_server, ok, type Reply, Scene, soon, until } from "./purchase_scene.ts";
import { leased_turn } from "./tabs/lease.ts";
import { NO_ANSWER, OFFLINE, silence } from "./wire/ask.ts";

test("a double click is one purchase", async () => {
  const scene = new Scene();
  const tab = scene.tab(1);
  tab.press();
  tab.press();
  await until(() => tab.machine.state === "paid", "it to be paid");
  tab.press();
  await soon();
  expect(scene.purchases).toHaveLength(1);
  expect(scene.most_in_flight).toBe(1);
});

test("a double click is one purchase also where the turn is a lease, which its own tab may take", async () => {
  const scene: Scene = new Scene((...all) => lease(...all));
  const options = { clock: () => scene.now_ms, id: "a", pause: soon };
  const lease = leased_turn(scene.store, options);
  const tab = scene.tab(1);
  tab.press();
  tab.press();
  await until(() => tab.machine.state === "paid", "it to be paid");
  expect(scene.most_in_flight).toBe(1);
  expect(scene.purchases).toHaveLength(1);
});

describe("two tabs", () => {
  test("make one reservation also when they cannot hear each other", async () => {
    const scene = new Scene();
    scene.is_mute = true;
    const [one, two] = [scene.tab(1), scene.tab(2)];
    one.press();
    await until(() => one.machine.state === "paid", "the first to be done");
    two.press();
    await until(() => two.machine.state === "paid", "the other to find it");
    expect(scene.purchases).toHaveLength(1);
  });

  test("make one reservation, and both see it", async () => {
    const scene = new Scene();
    const [one, two] = [scene.tab(1), scene.tab(2)];
    one.press();
    two.press();
    await until(() => one.machine.state === "paid" && two.machine.state === "paid", "both paid");
    expect(scene.purchases).toHaveLength(1);
    expect(new Set(scene.asked.map(({ tab }) => tab))).toEqual(new Set([1]));
    expect(two.machine).toEqual(one.machine);
  });

  test("hear the same refusal", async () => {
    const scene = new Scene();
    const good = scene.reply;
    scene.reply = (request, machine) =>
      request === "buy" ? { ...silence("sold_out") } : good(request, machine);
    const [one, two] = [scene.tab(1), scene.tab(2)];
    one.press();
    two.press();
    await until(() => two.machine.state === "sold_out", "the other to hear it");
    await soon();
    await soon();
    expect(scene.purchases).toHaveLength(1);
  });

  test("know which of them shows the puzzle", async () => {
    const scene = new Scene();
    const slider = { width: 300 };
    const asked = { ...silence("challenge"), body: { slider } };
    scene.reply = (_request, machine) => {
      // The puzzle is being solved: it is shown, and no answer is there yet.
      if (machine.slider !== null) scene.gate = new Promise(() => {});
      return asked;
    };
    const [one, two] = [scene.tab(1), scene.tab(2)];
    one.press();
    await until(() => two.machine.slider !== null, "the other to hear of the puzzle");
    expect([one.has_turn, two.has_turn]).toEqual([true, false]);
  });

  test("keep that he pays where the other one has the turn", async () => {
    const scene = new Scene();
    const good = scene.reply;
    let pay = () => {};
    scene.reply = (request, machine) =>
      request === "status" ? ok("confirmed", { order: "S1" }) : good(request, machine);
    const [one, two] = [scene.tab(1), scene.tab(2)];
    one.press();
    await until(() => two.machine.state === "confirmed", "the order");
    scene.gate = new Promise((resolve) => {
      pay = () => resolve();
    });
    two.pays(true);
    expect(one.machine.is_paying).toBe(true);
    const looked = scene.asked.length;
    scene.gate = Promise.resolve();
    pay();
    await until(() => scene.asked.length > looked + 2, "two more looks");
    expect([one.machine.is_paying, two.machine.is_paying]).toEqual([true, true]);
    expect(scene.tab(3).machine.is_paying).toBe(true);
    two.pays(false);
    expect(one.machine.is_paying).toBe(false);
    one.stop();
    two.stop();
  });

  test("the second goes on when the first is closed in the middle", async () => {
    const scene = new Scene();
    let open = () => {};
    const [one, two] = [scene.tab(1), scene.tab(2)];
    one.press();
    await until(() => one.machine.state === "buying", "the purchase");
    scene.gate = new Promise((resolve) => {
      open = resolve;
    });
    await until(() => scene.purchases.length === 1 && scene.in_flight === 1, "it to be sent");
    one.stop();
    open();
    scene.gate = Promise.resolve();
    await until(() => two.machine.state === "paid", "the other tab to finish it");
    expect(new Set(scene.purchases.map(({ key }) => key)).size).toBe(1);
    expect(scene.purchases.map(({ is_repeat }) => is_repeat)).toEqual([false, true]);
    expect(scene.most_in_flight).toBe(1);
  });
});

test("a reload in the middle repeats the purchase with the same key and says so", async () => {
  const scene = new Scene();
  const before = scene.tab(1);
  before.press();
  await until(() => before.machine.state === "buying", "the purchase");
  scene.gate = new Promise(() => {});
  await until(() => scene.purchases.length === 1, "it to be sent");
  before.stop();

  // The old page never comes back, so its turn is gone with it: another Turn, the same storage.
  const reloaded = new Scene();
  const page = Object.assign(reloaded, { store: scene.store }).tab(2);
  expect(page.machine).toMatchObject({ state: "buying", is_unanswered: true });
  page.resume();
  await until(() => page.machine.state === "paid", "the order");
  expect(reloaded.purchases[0]).toMatchObject({ key: scene.purchases[0]?.key, is_repeat: true });
});

describe("being asked to hurry", () => {
  test("does not cut short what a server has asked to wait for", async () => {
    const scene = new Scene();
    scene.endless_ms = 9000;
    scene.reply = () => ({ ...silence("busy"), retry_after_ms: 9000 });
    const tab = scene.tab(1);
    tab.press();
    await until(() => scene.waited.includes(9000), "the wait");
    tab.hurry();
    for (let round = 0; round < 20; round += 1) await soon();
    expect(scene.woken).toEqual([]);
    expect(scene.asked).toHaveLength(1);
    expect(tab.machine.failures).toBe(1);
    tab.stop();
  });

  test("looks at the order at once", async () => {
    const scene = new Scene();
    const good = scene.reply;
    scene.reply = (request, machine) => {
      if (request !== "status") return good(request, machine);
      scene.endless_ms = 7000;
      return { ...ok("confirmed", { order: "S1" }), retry_after_ms: 7000 };
    };
    const tab = scene.tab(1);
    tab.press();
    await until(() => scene.waited.includes(7000), "the wait");
    const looked = scene.asked.length;
    tab.hurry();
    await until(() => scene.asked.length > looked, "a look");
    tab.stop();
  });
});

test("a refusal does not outlive the page", async () => {
  const scene = new Scene();
  scene.reply = () => silence("sold_out");
  const tab = scene.tab(1);
  tab.press();
  await until(() => tab.machine.state === "sold_out", "the refusal");
  tab.stop();
  expect(scene.tab(2).machine.state).toBe("waiting");
});

test("an order that was paid is seen after a reload, and nothing is asked", async () => {
  const scene = new Scene();
  const tab = scene.tab(1);
  tab.press();
  await until(() => tab.machine.state === "paid", "the order");
  tab.stop();
  const asked = scene.asked.length;
  const again = scene.tab(2);
  again.resume();
  again.press();
  await soon();
  expect(again.machine.state).toBe("paid");
  expect(scene.asked).toHaveLength(asked);
});

describe("an order that has expired", () => {
  /** Expires at the first look, and is found paid after `looks` more. */
  function late_money(looks: number): Reply {
    const good = good_server();
    let looked = -1;
    return (request, machine) => {
      if (request !== "status") return good(request, machine);
      looked += 1;
      return ok(looked >= looks && looked > 0 ? "paid" : "expired", { order: `S${looked}` });
    };
  }

  test("is looked at slowly, until money that came late has made it paid", async () => {
    const scene = new Scene();
    scene.reply = late_money(4);
    const tab = scene.tab(1);
    tab.press();
    await until(() => tab.machine.state === "paid", "the money");
    expect(tab.machine.order).toBe("S4");
    expect(scene.waited.filter((ms) => ms >= 15_000)).toHaveLength(4);
    expect(scene.purchases).toHaveLength(1);
  });

  test("is looked at for some minutes only, in however many tabs", async () => {
    const scene = new Scene();
    scene.reply = late_money(1e9);
    const tabs = [scene.tab(1), scene.tab(2)];
    tabs[0]?.press();
    await until(() => scene.asked.length > LOOKS_MAX, "the looks");
    for (let round = 0; round < 300; round += 1) await soon();
    const looked = scene.asked.filter(({ request }) => request === "status").length;
    expect(looked).toBeLessThanOrEqual(1 + 2 * LOOKS_MAX);
    expect(tabs.map((tab) => tab?.machine.state)).toEqual(["expired", "expired"]);
  });

  test("is looked at after a reload at once", async () => {
    const scene = new Scene();
    scene.reply = late_money(1e9);
    const tab = scene.tab(1);
    tab.press();
    await until(() => tab.machine.state === "expired", "the end");
    tab.stop();
    scene.reply = late_money(0);
    scene.reply("status", tab.machine);
    const reloaded = Object.assign(new Scene(), { store: scene.store, reply: scene.reply });
    const again = reloaded.tab(2);
    again.resume();
    await until(() => again.machine.state === "paid", "the money");
    expect(reloaded.waited).toEqual([]);
  });

  test("and that he began to pay is known after a reload, and to every tab, until it came to nothing", async () => {
    const scene = new Scene();
    scene.reply = late_money(1e9);
    const [tab, other] = [scene.tab(1), scene.tab(2)];
    tab.press();
    await until(() => tab.machine.state === "expired", "the end");
    tab.pays(true);
    expect(other.machine.is_paying).toBe(true);
    tab.stop();
    const again = scene.tab(3);
    expect(again.machine).toMatchObject({ state: "expired", is_paying: true });
    again.pays(false);
    expect(scene.tab(4).machine.is_paying).toBe(false);
  });

  test("can be bought anew while it is being looked at, also where the turn is a lease", async () => {
    const scene: Scene = new Scene((...all) => lease(...all));
    const lease = leased_turn(scene.store, { clock: () => scene.now_ms, id: "a", pause: soon });
    scene.reply = late_money(1e9);
    const tab = scene.tab(1);
    tab.press();
    await until(() => scene.asked.at(-1)?.request === "status" && scene.in_flight === 1, "a look");
    await until(() => tab.machine.state === "expired", "the end");
    let open = () => {};
    scene.gate = new Promise((resolve) => {
      open = resolve;
    });
    await until(() => scene.in_flight === 1, "another one");
    tab.press();
    for (let round = 0; round < 50; round += 1) await soon();
    open();
    await until(() => scene.purchases.length === 2, "the new purchase");
    expect(new Set(scene.purchases.map(({ key }) => key)).size).toBe(2);
    expect(scene.most_in_flight).toBe(1);
    tab.stop();
  });
});

test("whatever the network does, with whatever tabs: one request in flight, one unit taken", async () => {
  const moves = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("press"), tab: fc.nat(2) }),
      fc.record({ kind: fc.constant("close"), tab: fc.nat(2) }),
      fc.record({ kind: fc.constant("pass"), rounds: fc.integer({ min: 1, max: 6 }) }),
    ),
    { maxLength: 25 },
  );
  const luck = fc.infiniteStream(
    fc.constantFrom("good", "good", "lost", "silent", "busy", "bad_token"),
  );
  await fc.assert(
    fc.asyncProperty(moves, luck, async (drawn, stream) => {
      const scene = new Scene();
      const good = scene.reply;
      const taken = new Set<string>();
      scene.reply = (request, machine) => {
        const fate = stream.next().value as string;
        if (fate === "busy" || fate === "bad_token") return silence(fate);
        if (fate === "lost") return silence(OFFLINE);
        if (request === "buy") taken.add(machine.key);
        return fate === "silent" ? silence(NO_ANSWER) : good(request, machine);
      };
      const tabs = [scene.tab(0), scene.tab(1), scene.tab(2)];
      for (const move of drawn) {
        if (!("tab" in move)) for (let n = 0; n < move.rounds; n += 1) await soon();
        else if (move.kind === "press") tabs[move.tab]?.press();
        else {
          tabs[move.tab]?.stop();
          tabs[move.tab] = scene.tab(move.tab);
          tabs[move.tab]?.resume();
        }
      }
      for (const tab of tabs) tab.stop();
      expect(scene.most_in_flight).toBeLessThanOrEqual(1);
      expect(taken.size).toBeLessThanOrEqual(1);
    }),
    { numRuns: 150 },
  );
});
