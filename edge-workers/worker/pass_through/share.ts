/** Which visitors belong to the share of the canary. A routing decision and never more than that. */

import type { Snapshot } from "../snapshot/envelope.ts";
import { base64url_bytes } from "../tokens/compact.ts";
import { client_address } from "./headers.ts";

/** Places of the share: 1,000 of them make it exact to a tenth of a percent. */
const PLACES = 1000;

// Both name the item first: `/v1/items/7/…`, `/v1/reservations/7-0-…`.
export const ITEM_OF_PATH = /^\/v1\/(?:items|reservations)\/([1-9][0-9]{0,14})[/-]/;
const PAYLOAD = /^Bearer [^.]{1,512}\.([A-Za-z0-9_-]{1,2048})\./;

/** The percentage that holds for a path: its item's, where the snapshot has one, else everybody's. */
export function canary_percent(snapshot: Snapshot | null, pathname: string): number {
  if (snapshot === null) return 0;
  const item = snapshot.items.get(Number(ITEM_OF_PATH.exec(pathname)?.[1]));
  return item?.canary_percent ?? snapshot.canary_percent;
}

/** Whether the visitor with this id is in the share; 0 and 100 are exact. */
export function in_share(id: string, percent: number): boolean {
  return fnv1a(id) % PLACES < (percent / 100) * PLACES;
}

/**
 * What keeps a visitor in one pool: the device of his entry token, so that purchase, retry and
 * status meet; his address while he has none. `bearer`: the edge's own token for him. The token is not verified here. Who makes one up
 * chooses his pool, and both pools refuse it.
 */
export function visitor_id(request: Request, bearer?: string): string {
  const own = bearer === undefined ? null : `Bearer ${bearer}`;
  const device = device_of(own ?? request.headers.get("authorization"));
  return device ?? client_address(request) ?? "";
}

function device_of(authorization: string | null): string | null {
  const payload = PAYLOAD.exec(authorization ?? "")?.[1];
  if (payload === undefined) return null;
  try {
    const claims: unknown = JSON.parse(new TextDecoder().decode(base64url_bytes(payload)));
    const device = (claims as { dev?: unknown } | null)?.dev;
    return typeof device === "string" && device !== "" ? device : null;
  } catch {
    return null;
  }
}

/** FNV-1a, 32 bits, and the last mixing of MurmurHash3: FNV alone leaves short texts uneven. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
