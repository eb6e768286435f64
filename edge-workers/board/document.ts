/** The board's document (`control_plane/board/document.py`). What nobody knows is null, never 0. */

/** Of the server; another one means that this page is old. */
export const VERSION = 1;

export interface Units {
  total: number;
  pool: number;
  leased: number;
  unpaid: number;
  paid: number;
  expired: number;
  cancelled: number;
  rejected: number;
  orders: number;
  /** Taken in a shard and not yet an order; null where no shard was seen. */
  reserved: number | null;
  left: number;
  drift: number;
  oversold: number;
}

export interface Bucket {
  name: string;
  waiting?: number;
  outstanding?: number;
  served?: number;
  per_s?: number;
}

export interface Item {
  id: number;
  sku: string;
  title: string;
  queue: "off" | "fifo" | "draw";
  units: Units | null;
  buckets: Bucket[];
  shards: { number: number; free: number; sells: boolean }[];
}

export interface Campaign {
  slug: string;
  title: string;
  state: "draft" | "approved" | "live" | "ended" | "settled";
  starts_ms: number;
  ends_ms: number;
  items: Item[];
}

export interface Stage {
  stage: "page" | "entry" | "queue" | "buy" | "reserved" | "confirmed" | "paid";
  total: number | null;
  per_s: number | null;
}

export interface Refusal {
  code: string;
  total: number;
  per_s: number;
}

export interface Source {
  at_ms: number | null;
  error: string | null;
}

export interface Switch {
  name: string;
  value: string;
  scope: string;
  of: string | null;
  reason: string;
  by: string | null;
  since_ms: number;
  until_ms: number | null;
}

export interface Alert {
  name: string;
  severity: string;
  summary: string;
  action: string;
  since_ms: number;
}

export interface BoardDocument {
  version: number;
  at_ms: number;
  sources: { database: Source; prometheus: Source };
  campaigns: Campaign[];
  funnel: Stage[];
  refusals: Refusal[];
  figures: Record<string, number | null>;
  processes: { name: string; health: number }[];
  switches: Switch[];
  alerts: Alert[];
}

/** The last minutes of what the charts show, a value a second; null where there is none. */
export interface History {
  at_ms: number[];
  buys: (number | null)[];
  reserved: (number | null)[];
  orders: (number | null)[];
  exchange_ms: (number | null)[];
  confirm_ms: (number | null)[];
}
