/**
 * `POST /v1/items/{item}/lobby`: into the draw before the start. The edge vouches for the shopper with
 * a token for this door alone; whether the lobby is open, and the number, are the gateway's to say.
 */

import { type Context, Hono } from "hono";
import type { OriginOptions } from "../../pass_through/pass_through.ts";
import { check_path } from "../../pass_through/pass_through.ts";
import type { GatewayPools } from "../../pass_through/pools.ts";
import { canary_percent } from "../../pass_through/share.ts";
import { busy, method_not_allowed, Refusal } from "../../problem/problem.ts";
import type { SnapshotStore } from "../../snapshot/store.ts";
import { issue_entry } from "../../tokens/entry.ts";
import { authenticate, find_item, RISK_UNJUDGED } from "../../visitor/visitor.ts";
import { read_device } from "../entry/body.ts";

export interface LobbyOptions {
  store: Pick<SnapshotStore, "current">;
  clock: () => number;
  token_id: () => string;
  pools: Pick<GatewayPools, "pass">;
  origin: OriginOptions;
}

/** Mounts the route; other methods get 405. */
export function lobby_route(options: LobbyOptions): Hono {
  return new Hono()
    .post("/v1/items/:item/lobby", (c) => join(c, options))
    .all("/v1/items/:item/lobby", () => method_not_allowed("POST"));
}

/** The steps, cheapest refusal first. */
async function join(c: Context, options: LobbyOptions): Promise<Response> {
  const device = await read_device(c.req.raw);
  const snapshot = await options.store.current((work) => c.executionCtx.waitUntil(work));
  if (snapshot === null) throw busy(options.origin.random, "no configuration yet");
  const item = find_item(snapshot, c.req.param("item") ?? "");
  const now_ms = options.clock();
  if (item.state === "ended" || now_ms >= item.end_ms) throw new Refusal("ended");
  if (!item.sale_enabled) throw busy(options.origin.random, "sales are paused");
  const session = await authenticate(c.req.header("authorization"), snapshot, item, now_ms);
  const { token } = await issue_entry(
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
    "sluice-lobby",
  );
  // The session stays here: the gateway knows no merchants' keys.
  const { pathname } = new URL(c.req.url);
  check_path(pathname);
  return options.pools.pass(c.req.raw, canary_percent(snapshot, pathname), token);
}
