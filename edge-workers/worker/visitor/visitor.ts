/** Who asks for what: the item of a path and the shopper of a session, for the doors of a sale. */

import { Refusal } from "../problem/problem.ts";
import type { Item } from "../snapshot/document.ts";
import type { Snapshot } from "../snapshot/envelope.ts";
import { type Session, verify_session } from "../tokens/session.ts";

const ITEM_ID = /^[1-9][0-9]{0,14}$/;
const BEARER = /^Bearer ([A-Za-z0-9._-]+)$/;

/** The item that a path names. Throws a `not_found` refusal. */
export function find_item(snapshot: Snapshot, id: string): Item {
  const item = ITEM_ID.test(id) ? snapshot.items.get(Number(id)) : undefined;
  if (item === undefined) throw new Refusal("not_found", { detail: "no such item" });
  return item;
}

/** One refusal for every fault of a session: which check failed helps only those who forge. */
export async function authenticate(
  header: string | undefined,
  snapshot: Snapshot,
  item: Item,
  now_ms: number,
): Promise<Session> {
  const token = BEARER.exec(header ?? "")?.[1];
  const session =
    token === undefined ? null : await verify_session(token, snapshot.session_keys, now_ms);
  if (session === null || session.merchant !== item.merchant) throw new Refusal("bad_token");
  return session;
}
