/**
 * `POST /v1/items/{item}/entry`: the door of a sale. Token and `path_key` are handed out from the
 * start on, never before, and only to a shopper whom the item's own merchant vouches for.
 */

import { type Context, Hono } from "hono";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";
import type { Item } from "../../snapshot/document.ts";
import { issue_entry } from "../../tokens/entry.ts";
import { choose } from "../../trace/follow.ts";
import { admit, type DoorOptions } from "../../visitor/door.ts";

export interface EntryOptions extends DoorOptions {
  token_id: () => string;
  span_id: () => string;
}

/** Mounts the route; other methods get 405. */
export function entry_route(options: EntryOptions): Hono {
  return new Hono()
    .post("/v1/items/:item/entry", (c) => enter(c, options))
    .all("/v1/items/:item/entry", () => method_not_allowed("POST"));
}

async function enter(c: Context, options: EntryOptions): Promise<Response> {
  const { snapshot, item, entry, now_ms } = await admit(c, options, check_on_sale);
  const { token, expires_at_ms } = await issue_entry(
    entry,
    snapshot.signing_key,
    now_ms,
    options.token_id(),
  );
  const percent = item.trace_sampling ?? snapshot.trace_sampling;
  const traced = choose(c.req.raw, percent, options.span_id);
  const body = {
    item: item.id,
    entry_token: token,
    path_key: item.path_key,
    buy_url: `/v1/items/${item.id}/${item.path_key}/buy`,
    expires_at_ms,
    // The page sets the flag of its traceparent from now on.
    ...(traced ? { traced } : {}),
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
