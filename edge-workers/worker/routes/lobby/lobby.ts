/**
 * `POST /v1/items/{item}/lobby`: into the draw before the start. The edge vouches for the shopper with
 * a token for this door alone; whether the lobby is open, and the number, are the gateway's to say.
 */

import { type Context, Hono } from "hono";
import type { OriginOptions } from "../../pass_through/pass_through.ts";
import { check_path } from "../../pass_through/pass_through.ts";
import type { GatewayPools } from "../../pass_through/pools.ts";
import { canary_percent } from "../../pass_through/share.ts";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";
import type { Item } from "../../snapshot/document.ts";
import type { SnapshotStore } from "../../snapshot/store.ts";
import { issue_entry } from "../../tokens/entry.ts";
import { admit, type DoorOptions } from "../../visitor/door.ts";

export interface LobbyOptions extends DoorOptions {
  store: Pick<SnapshotStore, "current" | "is_too_old" | "is_degraded">;
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

async function join(c: Context, options: LobbyOptions): Promise<Response> {
  const { snapshot, entry, now_ms } = await admit(c, options, check_not_ended);
  const { token } = await issue_entry(
    entry,
    snapshot.signing_key,
    now_ms,
    options.token_id(),
    "sluice-lobby",
  );
  // The session stays here: the gateway knows no merchants' keys.
  const { pathname } = new URL(c.req.url);
  check_path(pathname);
  // As every other request: an operator who takes a bad canary back may not be heard (`app.ts`).
  const share = options.store.is_degraded() ? 0 : canary_percent(snapshot, pathname);
  return options.pools.pass(c.req.raw, share, token);
}

function check_not_ended(item: Item, now_ms: number): void {
  if (item.state === "ended" || now_ms >= item.end_ms) throw new Refusal("ended");
}
