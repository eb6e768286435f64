/** `GET /v1/items/{item}`: what anybody may know of an item, for a page that knows only its number. */

import { type Context, Hono } from "hono";
import { busy, method_not_allowed } from "../../problem/problem.ts";
import type { SnapshotStore } from "../../snapshot/store.ts";
import type { StockHeard } from "../../stock/heard.ts";
import { find_item } from "../../visitor/visitor.ts";

export interface ItemOptions {
  store: Pick<SnapshotStore, "current">;
  stock: Pick<StockHeard, "level_of">;
  random: () => number;
}

/** Short, because a campaign may be moved; the countdown runs on times, not on this answer. */
const SHORTLY = "public, max-age=2";

/** Mounts the route; other methods get 405. */
export function item_route(options: ItemOptions): Hono {
  return new Hono()
    .get("/v1/items/:item", (c) => describe(c, options))
    .all("/v1/items/:item", () => method_not_allowed("GET, HEAD"));
}

async function describe(c: Context, { store, stock, random }: ItemOptions): Promise<Response> {
  const snapshot = await store.current((work) => c.executionCtx.waitUntil(work));
  if (snapshot === null) throw busy(random, "no configuration yet");
  const { id, facts, state, start_ms, end_ms } = find_item(snapshot, c.req.param("item") ?? "");
  // Field by field, so that a new secret of the snapshot is not published by forgetting it here.
  const body = { id, ...facts, stock: stock.level_of(id), state, start_ms, end_ms };
  return c.json(body, 200, { "cache-control": SHORTLY });
}
