/**
 * `POST /v1/items/{item}/lobby`: into the draw before the start. The edge vouches for the shopper with
 * a token for this door alone; whether the lobby is open, and the number, are the gateway's to say.
 */

import { type Context, Hono } from "hono";
import type { OriginOptions } from "../../pass_through/pass_through.ts";
import { send_to_origin } from "../../pass_through/pass_through.ts";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";
import type { Item } from "../../snapshot/document.ts";
import { issue_entry } from "../../tokens/entry.ts";
import { admit, type DoorOptions } from "../../visitor/door.ts";

export interface LobbyOptions extends DoorOptions {
  token_id: () => string;
  gateway_url: string;
  origin: OriginOptions;
}

/** Mounts the route; other methods get 405. */
export function lobby_route(options: LobbyOptions): Hono {
  return new Hono()
    .post("/v1/items/:item/lobby", (c) => join(c, options))
    .all("/v1/items/:item/lobby", () => method_not_allowed("POST"));
}

async function join(c: Context, options: LobbyOptions): Promise<Response> {
  const { snapshot, item, entry, now_ms } = await admit(c, options, check_not_ended);
  const { token } = await issue_entry(
    entry,
    snapshot.signing_key,
    now_ms,
    options.token_id(),
    "sluice-lobby",
  );
  // The session stays here: the gateway knows no merchants' keys.
  const url = `${options.gateway_url}/v1/items/${item.id}/lobby`;
  return send_to_origin(c.req.raw, url, options.origin, token);
}

function check_not_ended(item: Item, now_ms: number): void {
  if (item.state === "ended" || now_ms >= item.end_ms) throw new Refusal("ended");
}
