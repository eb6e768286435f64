/**
 * What the edge reads of a snapshot document, and the check that it is there.
 *
 * Fields the edge does not read are not checked, so that the control plane may add some. A document
 * with one wrong field is refused whole: half a configuration is worse than the last good one.
 */

export const ITEM_STATES = ["approved", "live", "ended"] as const;
export type ItemState = (typeof ITEM_STATES)[number];

/** What anybody may know of an item, beside its times. */
export interface ItemFacts {
  title: string;
  price_minor: number;
  currency: string;
  units: number;
  limit: number;
  /** `opens_ms`: from when on a draw can be joined. Null when nobody has to wait in line. */
  queue: { mode: "fifo" | "draw"; opens_ms: number } | null;
}

/** One SKU on sale. Sold from `start_ms` (inclusive) to `end_ms` (exclusive). */
export interface Item {
  id: number;
  merchant: string;
  state: ItemState;
  start_ms: number;
  end_ms: number;
  facts: ItemFacts;
  path_key: string;
  /** The item's own switch, or the general one where the item says nothing: as the gateway reads it. */
  sale_enabled: boolean;
  /** How many times the rates of `rate_limits` hold for this item; 0: no limits. */
  rate_scale: number;
  /** Whether shoppers of this item have to pass the human check. */
  human_check: boolean;
  /** The scores that a gateway's enforced rules challenge, and until when. */
  challenged_scores: readonly ChallengedScore[];
  /** The canary's share of this item's shoppers; null when the item says nothing of its own. */
  canary_percent: number | null;
  /** The share of this item's purchases that is followed; null: as everybody's. */
  trace_sampling: number | null;
}

/** From `min_score` on a rule sends shoppers back with `challenge`; `until_ms` null: for ever. */
export interface ChallengedScore {
  min_score: number;
  until_ms: number | null;
}

/** `per_s` admissions a second of each `by`, `burst` at once; `level` "" is everybody. */
export interface RateLimit {
  by: string;
  level: string;
  per_s: number;
  burst: number;
}

/** An HMAC key as it travels: `secret` is canonical base64url, 32 bytes or more. */
export interface KeyText {
  kid: string;
  secret: string;
}

export interface SnapshotDocument {
  version: number;
  built_at_ms: number;
  items: ReadonlyMap<number, Item>;
  /** The entry key that signs. */
  signing_key: KeyText;
  /** Every live entry key: those that only verify are for tokens of before. */
  entry_keys: readonly KeyText[];
  session_keys: readonly (KeyText & { merchant: string })[];
  /** The canary's share of everybody else. */
  canary_percent: number;
  /** The share of all purchases that is followed. */
  trace_sampling: number;
  /** Null: the document names none, and the gateways' defaults hold. */
  rate_limits: readonly RateLimit[] | null;
}

/** The document is not one this worker can run; `message` says which field and why. */
export class DocumentError extends Error {
  override name = "DocumentError";
}

const PATH_KEY = /^[A-Za-z0-9_-]{22}$/;

type Fields = Record<string, unknown>;

function fail(where: string, expected: string): never {
  throw new DocumentError(`${where} must be ${expected}`);
}

function fields(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(where, "an object");
  return value as Fields;
}

function list(value: unknown, where: string): unknown[] {
  return Array.isArray(value) ? value : fail(where, "a list");
}

function whole(value: unknown, where: string, least: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    fail(where, `a whole number from ${least}`);
  }
  return value;
}

function text(value: unknown, where: string): string {
  return typeof value === "string" && value !== "" ? value : fail(where, "a non-empty text");
}

function key_text(value: unknown, where: string): KeyText {
  const key = fields(value, where);
  return { kid: text(key.kid, `${where}.kid`), secret: text(key.secret, `${where}.secret`) };
}

/** A percentage among switches; null when it is not there. */
function percent(switches: unknown, name: string, where: string): number | null {
  if (switches === undefined) return null;
  const value = fields(switches, where)[name];
  if (value === undefined) return null;
  if (typeof value !== "number" || !(value >= 0 && value <= 100)) {
    fail(`${where}.${name}`, "a number from 0 to 100");
  }
  return value;
}

/** The item's switch, else the general one, else the default: in the gateway's order. */
function switched<T>(name: string, is: (value: unknown) => value is T, expected: string) {
  return (general: unknown, own: unknown, where: string, otherwise: T): T => {
    const of_item = own === undefined ? undefined : fields(own, where)[name];
    const value = of_item ?? fields(general, "switches")[name] ?? otherwise;
    return is(value) ? value : fail(`${where}.${name}`, expected);
  };
}

const RATE_SCALE_MAX = 100;
const rate_scale = switched(
  "rate_limits",
  (value): value is number => typeof value === "number" && value >= 0 && value <= RATE_SCALE_MAX,
  `a number from 0 to ${RATE_SCALE_MAX}`,
);
const human_check = switched(
  "human_check",
  (value): value is boolean => typeof value === "boolean",
  "true or false",
);

function read_rate_limit(value: unknown, where: string): RateLimit {
  const { by, level, per_s, burst } = fields(value, where);
  if (typeof per_s !== "number" || !(per_s > 0)) fail(`${where}.per_s`, "a number above 0");
  if (typeof level !== "string") fail(`${where}.level`, "a text");
  return { by: text(by, `${where}.by`), level, per_s, burst: whole(burst, `${where}.burst`, 1) };
}

function read_rate_limits(value: unknown): RateLimit[] | null {
  if (value === undefined) return null;
  return list(value, "rate_limits").map((one, at) => read_rate_limit(one, `rate_limits[${at}]`));
}

const risk_mode = switched(
  "risk_mode",
  (value): value is string => value === "enforce" || value === "shadow" || value === "off",
  "enforce, shadow or off",
);

/** Of the enforced rules that challenge a score, those of this item or of all. */
function challenged_scores(rules: unknown, id: number): ChallengedScore[] {
  if (rules === undefined) return [];
  return list(rules, "risk_rules")
    .map((rule, at) => [fields(rule, `risk_rules[${at}]`), `risk_rules[${at}]`] as const)
    .filter(
      ([{ kind, mode, action, item }]) =>
        kind === "score" &&
        mode === "enforce" &&
        action === "challenge" &&
        (item === null || item === undefined || item === id),
    )
    .map(([{ min_score, until_ms = null }, where]) => ({
      min_score: whole(min_score, `${where}.min_score`, 0),
      until_ms: until_ms === null ? null : whole(until_ms, `${where}.until_ms`, 0),
    }));
}

/** The lowest score that a gateway challenges at this moment; null: none. */
export function challenged_from({ challenged_scores }: Item, now_ms: number): number | null {
  const scores = challenged_scores
    .filter(({ until_ms }) => until_ms === null || now_ms < until_ms)
    .map(({ min_score }) => min_score);
  return scores.length === 0 ? null : Math.min(...scores);
}

/** Whether something is sold, by the switches of a section; `inherited` when they do not name it. */
function selling(switches: unknown, where: string, inherited?: boolean): boolean {
  if (switches === undefined && inherited !== undefined) return inherited;
  const { sale_enabled = inherited } = fields(switches, where);
  if (typeof sale_enabled !== "boolean") fail(`${where}.sale_enabled`, "true or false");
  return sale_enabled;
}

function read_queue(value: unknown, where: string): ItemFacts["queue"] {
  if (value === undefined || value === null) return null;
  const { mode, opens_ms } = fields(value, where);
  if (mode === "off") return null;
  if (mode !== "fifo" && mode !== "draw") fail(`${where}.mode`, "off, fifo or draw");
  return { mode, opens_ms: whole(opens_ms, `${where}.opens_ms`, 0) };
}

function read_facts(item: Fields, where: string): ItemFacts {
  return {
    title: text(item.title, `${where}.title`),
    price_minor: whole(item.price_minor, `${where}.price_minor`, 0),
    currency: text(item.currency, `${where}.currency`),
    units: whole(item.units, `${where}.units`, 0),
    limit: whole(item.limit, `${where}.limit`, 1),
    queue: read_queue(item.queue, `${where}.queue`),
  };
}

function read_item(value: unknown, where: string, general: unknown, rules: unknown): Item {
  const item = fields(value, where);
  const id = whole(item.id, `${where}.id`, 1);
  const state = ITEM_STATES.find((known) => known === item.state);
  const path_key = text(item.path_key, `${where}.path_key`);
  const start_ms = whole(item.start_ms, `${where}.start_ms`, 0);
  const is_enforced =
    risk_mode(general, item.switches, `${where}.switches`, "enforce") === "enforce";
  return {
    id,
    merchant: text(item.merchant, `${where}.merchant`),
    state: state ?? fail(`${where}.state`, `one of ${ITEM_STATES.join(", ")}`),
    start_ms,
    end_ms: whole(item.end_ms, `${where}.end_ms`, start_ms + 1),
    facts: read_facts(item, where),
    path_key: PATH_KEY.test(path_key)
      ? path_key
      : fail(`${where}.path_key`, "22 base64url characters"),
    sale_enabled: selling(item.switches, `${where}.switches`, selling(general, "switches")),
    rate_scale: rate_scale(general, item.switches, `${where}.switches`, 1),
    human_check: human_check(general, item.switches, `${where}.switches`, true),
    challenged_scores: is_enforced ? challenged_scores(rules, id) : [],
    canary_percent: percent(item.switches, "canary_percent", `${where}.switches`),
    trace_sampling: percent(item.switches, "trace_sampling", `${where}.switches`),
  };
}

function read_items(value: unknown, general: unknown, rules: unknown): Map<number, Item> {
  const items = new Map<number, Item>();
  for (const [name, entry] of Object.entries(fields(value, "items"))) {
    const item = read_item(entry, `items.${name}`, general, rules);
    if (String(item.id) !== name) fail(`items.${name}.id`, `${name}, as it is filed`);
    items.set(item.id, item);
  }
  return items;
}

function read_entry_keys(value: unknown): Pick<SnapshotDocument, "signing_key" | "entry_keys"> {
  const entries = list(value, "entry_keys");
  const entry_keys = entries.map((entry, index) => key_text(entry, `entry_keys[${index}]`));
  const signing = entry_keys.filter((_, index) => (entries[index] as Fields).sign === true);
  const [signing_key] = signing;
  if (signing_key === undefined || signing.length !== 1) {
    fail("entry_keys", "a list with exactly one signing key");
  }
  return { signing_key, entry_keys };
}

function read_session_keys(value: unknown): (KeyText & { merchant: string })[] {
  const keys = new Map<string, KeyText & { merchant: string }>();
  for (const [merchant, entry] of Object.entries(fields(value, "merchants"))) {
    const where = `merchants.${merchant}.session_keys`;
    for (const [index, raw] of list(fields(entry, where).session_keys, where).entries()) {
      const key = key_text(raw, `${where}[${index}]`);
      // A kid names one key of one merchant: the issuer a session may claim hangs on it.
      if (keys.has(key.kid)) fail(`${where}[${index}].kid`, "used once in the document");
      keys.set(key.kid, { merchant, ...key });
    }
  }
  return [...keys.values()];
}

/** Reads a parsed document for audience `edge`. Throws `DocumentError`. */
export function read_document(value: unknown): SnapshotDocument {
  const document = fields(value, "document");
  selling(document.switches, "switches");
  return {
    version: whole(document.version, "version", 1),
    built_at_ms: whole(document.built_at_ms, "built_at_ms", 0),
    items: read_items(document.items, document.switches, document.risk_rules),
    ...read_entry_keys(document.entry_keys),
    session_keys: read_session_keys(document.merchants),
    canary_percent: percent(document.switches, "canary_percent", "switches") ?? 0,
    trace_sampling: percent(document.switches, "trace_sampling", "switches") ?? 0,
    rate_limits: read_rate_limits(document.rate_limits),
  };
}
