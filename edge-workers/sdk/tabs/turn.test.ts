import { describe, expect, test } from "vitest";
import { leased_turn } from "./lease.ts";
import { passing_store } from "./memory.ts";
import { locked_turn } from "./turn.ts";

const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("without Web Locks", () => {
  function leases() {
    const store = passing_store();
    const world = { now_ms: 0 };
    const pause = async (ms: number) => {
      world.now_ms += ms;
      await soon();
    };
    const tab = (id: string) => leased_turn(store, { clock: () => world.now_ms, id, pause });
    return { store, world, tab };
  }
  const never = new AbortController().signal;

  test("a lease lets one tab work at a time", async () => {
    const { tab } = leases();
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await soon();
      inside -= 1;
    };
    await Promise.all(["a", "b", "c"].map((id) => tab(id)("n", work, never)));
    expect(most).toBe(1);
  });

  test("the lease of a tab that is gone runs out", async () => {
    const { store, tab } = leases();
    store.setItem("n.turn", JSON.stringify({ id: "gone", until_ms: 4000 }));
    const worked: string[] = [];
    await tab("b")("n", async () => void worked.push("b"), never);
    expect(worked).toEqual(["b"]);
    expect(store.getItem("n.turn")).toBeNull();
  });

  test("locks that refuse are replaced by a lease, and work that fails is not done twice", async () => {
    const { tab } = leases();
    const refusing = { request: () => Promise.reject(new DOMException("no", "SecurityError")) };
    const worked: string[] = [];
    await locked_turn(refusing, tab("a"))("n", async () => void worked.push("a"), never);
    expect(worked).toEqual(["a"]);

    const granting = {
      request: (_name: string, _how: object, work: () => Promise<void>) => work(),
    };
    const turn = locked_turn(granting as unknown as LockManager, tab("a"));
    const fail = async () => {
      worked.push("b");
      throw new Error("of the work");
    };
    await expect(turn("n", fail, never)).rejects.toThrow("of the work");
    expect(worked).toEqual(["a", "b"]);
  });

  test("who is stopped does not wait on", async () => {
    const { store, tab } = leases();
    store.setItem("n.turn", JSON.stringify({ id: "other", until_ms: 1e12 }));
    await expect(tab("b")("n", async () => {}, AbortSignal.abort("gone"))).rejects.toBe("gone");
  });
});
