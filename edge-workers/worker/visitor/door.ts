/** What both doors of a sale, entry and lobby, ask of who knocks: in this order, cheapest first. */

import type { Context } from "hono";
import { type Circumstances, type HumanCheck, RISK_UNJUDGED } from "../check/human_check.ts";
import type { DoorLimits } from "../limits/door_limits.ts";
import { client_address } from "../pass_through/headers.ts";
import { busy } from "../problem/problem.ts";
import { type EntryBody, read_body } from "../routes/entry/body.ts";
import { challenged_from, type Item } from "../snapshot/document.ts";
import type { Snapshot } from "../snapshot/envelope.ts";
import type { SnapshotStore } from "../snapshot/store.ts";
import type { Entry } from "../tokens/entry.ts";
import type { Passed } from "../tokens/renewal.ts";
import { authenticate, find_item } from "./visitor.ts";

export interface DoorOptions {
  store: Pick<SnapshotStore, "current" | "is_too_old">;
  clock: () => number;
  random: () => number;
  limits: DoorLimits;
  check: HumanCheck;
}

/** Who is let in, to what; `now_ms` is the one reading of the clock that decided everything. */
export interface Admitted {
  snapshot: Snapshot;
  item: Item;
  entry: Entry;
  now_ms: number;
}

/** Whether the item's times let somebody through this door; throws the refusal. */
type OpeningHours = (item: Item, now_ms: number) => void;

/** The snapshot that decides. Throws `busy` without one, and with one that nobody confirmed for long. */
export async function snapshot_in_force(
  c: Context,
  { store, random }: Pick<DoorOptions, "store" | "random">,
): Promise<Snapshot> {
  const snapshot = await store.current((work) => c.executionCtx.waitUntil(work));
  if (snapshot === null) throw busy(random, "no configuration yet");
  if (store.is_too_old()) throw busy(random, "the configuration is too old to sell by");
  return snapshot;
}

/** Body, item, hours, switch, session, limits, human check. Throws the first refusal. */
export async function admit(
  c: Context,
  options: DoorOptions,
  check_hours: OpeningHours,
): Promise<Admitted> {
  const body = await read_body(c.req.raw);
  const snapshot = await snapshot_in_force(c, options);
  const item = find_item(snapshot, c.req.param("item") ?? "");
  const now_ms = options.clock();
  check_hours(item, now_ms);
  if (!item.sale_enabled) throw busy(options.random, "sales are paused");
  const session = await authenticate(c.req.header("authorization"), snapshot, item, now_ms);
  const { shopper, level } = session;
  const { device } = body;
  const address = client_address(c.req.raw);
  const knock = { address, device, shopper, level };
  await options.limits.admit(knock, snapshot.rate_limits, item.rate_scale);
  const circumstances = {
    address,
    challenged_from: challenged_from(item, now_ms),
    now_ms,
    entry_keys: snapshot.entry_keys,
  };
  const passed = await pass_check(options.check, item, body, shopper, circumstances);
  return { snapshot, item, entry: { item: item.id, shopper, device, level, ...passed }, now_ms };
}

async function pass_check(
  check: HumanCheck,
  item: Item,
  { device, check: answer }: EntryBody,
  shopper: string,
  circumstances: Circumstances,
): Promise<Passed> {
  // What is switched off is not looked at either: an answer that was begun before may come late.
  if (!item.human_check) return { risk: RISK_UNJUDGED, puzzle_until_s: null };
  return check.pass({ item: item.id, shopper, device }, answer, circumstances);
}
