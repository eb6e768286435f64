/** What an edge does that the control plane has not confirmed for long (README). */

import { beforeEach, describe, expect, test } from "vitest";
import { CANARY, control_plane_with, Edge, GATEWAY, unreachable } from "../../fixtures/edge.ts";
import { document, item, NOW_MS, session } from "../../fixtures/sale.ts";
import { DEGRADED_MS, TOO_OLD_MS } from "./store.ts";

let edge: Edge;

const TOMORROW = NOW_MS + 86_400_000;
const sale = (overrides: object = {}) =>
  document({
    switches: { sale_enabled: true, human_check: false, canary_percent: 100 },
    items: { "7": item({ end_ms: TOMORROW }), "8": item({ id: 8, start_ms: NOW_MS + 60_000 }) },
    ...overrides,
  });

beforeEach(async () => {
  edge = new Edge({ gateway_canary_url: CANARY });
  edge.control_plane = control_plane_with(sale());
  expect((await knock("entry")).status).toBe(200);
  await edge.settle();
  edge.control_plane = unreachable;
});

const knock = (door: string, id = 7) =>
  edge.fetch(`/v1/items/${id}/${door}`, {
    method: "POST",
    headers: { authorization: `Bearer ${session({}, edge.now_ms)}` },
    body: '{"device":"device-1"}',
  });

/** The last of several knocks: each may look for news in vain first. */
async function knock_after(ms: number, door: string, id?: number): Promise<Response> {
  edge.now_ms = NOW_MS + ms;
  await knock(door, id);
  await edge.settle();
  return knock(door, id);
}

const origin_of_last = () => new URL(edge.seen.at(-1)?.url ?? "").origin;

describe("for a quarter of an hour it goes on", () => {
  test.each([
    ["entry", DEGRADED_MS + 1],
    ["entry", TOO_OLD_MS],
    ["lobby", TOO_OLD_MS],
  ])("with %s after %i ms", async (door, ms) => {
    expect((await knock_after(ms, door)).status).toBe(200);
  });

  test("and a sale still begins on time", async () => {
    expect((await knock_after(59_999, "entry", 8)).status).toBe(425);
    expect((await knock_after(60_000, "entry", 8)).status).toBe(200);
  });
});

test("then nobody is let in, and hears that it is us and not the sale", async () => {
  for (const door of ["entry", "lobby"]) {
    const response = await knock_after(TOO_OLD_MS + 1, door);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: "busy",
      detail: "the configuration is too old to sell by",
    });
  }
  const asked = await edge.fetch("/v1/items/7/check?device=device-1");
  expect(asked.status).toBe(503);
});

test("what needs no configuration is served however old it is", async () => {
  edge.now_ms = NOW_MS + 100 * TOO_OLD_MS;
  expect((await edge.fetch("/v1/time")).status).toBe(200);
  const bought = await edge.fetch("/v1/items/7/key/buy", { method: "POST", body: "{}" });
  expect(bought.status).toBe(200);
});

test("a canary that an operator may want to take back gets nobody", async () => {
  await edge.fetch("/v1/campaigns/spring");
  expect(origin_of_last()).toBe(CANARY);
  edge.now_ms = NOW_MS + DEGRADED_MS + 1;
  await edge.fetch("/v1/campaigns/spring");
  await edge.settle();
  const seen = edge.seen.map(({ url }) => new URL(url).origin);
  expect(seen.filter((origin) => origin === CANARY)).toHaveLength(1);
  expect(seen).toContain(GATEWAY);
});

test("the first news brings all of it back", async () => {
  expect((await knock_after(TOO_OLD_MS + 1, "entry")).status).toBe(503);
  edge.control_plane = control_plane_with(sale({ version: 13 }));
  expect((await knock_after(TOO_OLD_MS + 10_000, "entry")).status).toBe(200);
});
