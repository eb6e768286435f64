/**
 * `GET /v1/items/{item}/check?device=…`: the question of the human check, for one shopper on one
 * device. Answered by the body of an entry or of joining a lobby.
 */

import { type Context, Hono } from "hono";
import type { HumanCheck } from "../../check/human_check.ts";
import type { DoorLimits } from "../../limits/door_limits.ts";
import { client_address } from "../../pass_through/headers.ts";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";
import { type DoorOptions, snapshot_in_force } from "../../visitor/door.ts";
import { authenticate, find_item } from "../../visitor/visitor.ts";
import { DEVICE_EXPECTED, is_device } from "../entry/body.ts";

export interface CheckOptions extends Pick<DoorOptions, "store" | "clock" | "random"> {
  /** Of this door alone: who asks and enters would else have used up half of his entries. */
  limits: DoorLimits;
  check: HumanCheck;
}

/** Mounts the route; other methods get 405. */
export function check_route(options: CheckOptions): Hono {
  return new Hono()
    .get("/v1/items/:item/check", (c) => ask(c, options))
    .all("/v1/items/:item/check", () => method_not_allowed("GET, HEAD"));
}

async function ask(c: Context, options: CheckOptions): Promise<Response> {
  const device = c.req.query("device") ?? "";
  if (!is_device(device)) throw new Refusal("bad_request", { detail: DEVICE_EXPECTED });
  const snapshot = await snapshot_in_force(c, options);
  const item = find_item(snapshot, c.req.param("item") ?? "");
  const now_ms = options.clock();
  if (item.state === "ended" || now_ms >= item.end_ms) throw new Refusal("ended");
  const session = await authenticate(c.req.header("authorization"), snapshot, item, now_ms);
  const { shopper, level } = session;
  const headers = { "cache-control": "no-store" };
  if (!item.human_check) return c.json({ provider: "none" }, 200, headers);
  const knock = { address: client_address(c.req.raw), device, shopper, level };
  await options.limits.admit(knock, snapshot.rate_limits, item.rate_scale);
  return c.json(await options.check.question({ item: item.id, shopper, device }), 200, headers);
}
