/**
 * `POST /v1/items/{item}/entry`: the door of a sale. Token and `path_key` are handed out from the
 * start on, never before, and only to a shopper whom the item's own merchant vouches for.
 */

import { type Context, Hono } from "hono";
import { busy, method_not_allowed, Refusal } from "../../problem/problem.ts";
import type { Item } from "../../snapshot/document.ts";
import type { SnapshotStore } from "../../snapshot/store.ts";
import { issue_entry } from "../../tokens/entry.ts";
import { authenticate, find_item, RISK_UNJUDGED } from "../../visitor/visitor.ts";
import { read_device } from "./body.ts";

export interface EntryOptions {
  store: Pick<SnapshotStore, "current">;
  clock: () => number;
  random: () => number;
  token_id: () => string;
}

/** Mounts the route; other methods get 405. */
export function entry_route(options: EntryOptions): Hono {
  return new Hono()
    .post("/v1/items/:item/entry", (c) => enter(c, options))
    .all("/v1/items/:item/entry", () => method_not_allowed("POST"));
}

/** The steps, cheapest refusal first. */
async function enter(c: Context, options: EntryOptions): Promise<Response> {
  const device = await read_device(c.req.raw);
  const snapshot = await options.store.current((work) => c.executionCtx.waitUntil(work));
  if (snapshot === null) throw busy(options.random, "no configuration yet");
  const item = find_item(snapshot, c.req.param("item") ?? "");
  // One reading of the clock decides everything about this request.
  const now_ms = options.clock();
  check_on_sale(item, now_ms);
  if (!item.sale_enabled) throw busy(options.random, "sales are paused");
  const session = await authenticate(c.req.header("authorization"), snapshot, item, now_ms);
  const { token, expires_at_ms } = await issue_entry(
    {
      item: item.id,
      shopper: session.shopper,
      device,
      level: session.level,
      risk: RISK_UNJUDGED,
    },
    snapshot.signing_key,
    now_ms,
    options.token_id(),
  );
  const body = {
    item: item.id,
    entry_token: token,
    path_key: item.path_key,
    buy_url: `/v1/items/${item.id}/${item.path_key}/buy`,
    expires_at_ms,
  };
  return c.json(body, 200, { "cache-control": "no-store" });
}

/** The selling rule: not ended, and `start_ms ≤ now < end_ms`, exact to the millisecond. */
function check_on_sale(item: Item, now_ms: number): void {
  if (item.state === "ended" || now_ms >= item.end_ms) throw new Refusal("ended");
  if (now_ms < item.start_ms) {
    throw new Refusal("not_started", { retry_after_ms: item.start_ms - now_ms });
  }
}
