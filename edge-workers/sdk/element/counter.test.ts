/** A counter with everything real but the page: no storage, no locks, and an edge that is a function. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Machine } from "../machine/machine.ts";
import { Counter, type LoadCheck } from "./counter.ts";

let heard: { path: string; body: unknown }[];
let counter: Counter;

beforeEach(() => {
  heard = [];
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("fetch", async (url: string, { body }: RequestInit) => {
    const path = new URL(url).pathname;
    heard.push({ path, body: JSON.parse(String(body)) });
    if (path.endsWith("/buy")) return Response.json({ code: "sold_out" }, { status: 410 });
    return Response.json({ entry_token: "e", buy_url: "/v1/items/7/k/buy" });
  });
});

afterEach(() => {
  counter.leave();
  vi.unstubAllGlobals();
});

async function buy(load_check: LoadCheck): Promise<void> {
  const sold_out = new Promise<void>((resolve) => {
    const on_change = ({ state }: Machine) => state === "sold_out" && resolve();
    counter = new Counter({
      edge: "https://edge.example",
      item: 7,
      lang: "en",
      session: () => "s.e.s",
      check_host: null as unknown as HTMLElement,
      load_check,
      on_change,
    });
  });
  counter.press();
  await sold_out;
}

test("the check's code names the device and solves the check", async () => {
  await buy(async () => ({
    device_id: async () => "device-of-the-check",
    solve: async () => () => ({ provider: "altcha" }),
  }));
  expect(heard[0]).toEqual({
    path: "/v1/items/7/entry",
    body: { device: "device-of-the-check", check: { provider: "altcha" } },
  });
});

test("without the check's code he knocks all the same; the edge says whether it needs one", async () => {
  await buy(() => Promise.reject(new TypeError("Failed to fetch dynamically imported module")));
  expect(heard[0]).toEqual({
    path: "/v1/items/7/entry",
    body: { device: expect.stringMatching(/^[0-9a-f]{32}$/) },
  });
});

test("nor does he wait for code of the check that never comes", async () => {
  vi.useFakeTimers();
  try {
    const bought = buy(() => new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(60_000);
    await bought;
    expect(heard[0]?.path).toBe("/v1/items/7/entry");
  } finally {
    vi.useRealTimers();
  }
});
