/**
 * The snapshot this isolate runs: kept in memory, refreshed behind the requests that need it.
 *
 * Fails static: when the control plane is away or sends something wrong, the last good snapshot
 * stays. Selling times are compared with the clock on every request, so an old snapshot opens and
 * closes a sale on time; what it misses is an operator's change. Older than `DEGRADED_MS` it counts
 * as degraded, older than `TOO_OLD_MS` nobody is let in by it (README, "When the snapshot is old").
 */

import type { Log } from "../env/log.ts";
import type { Settings } from "../env/settings.ts";
import { open_envelope, type Snapshot } from "./envelope.ts";

/** Older than this, a snapshot is used and refreshed behind the request. */
export const FRESH_MS = 500;
/** Older than this (nobody asked for a while), a request waits for the refresh: the switch that an
 * operator threw in the quiet minutes before must count for the first visitor after them. */
export const STALE_MAX_MS = 5_000;
/** Nobody confirmed it for so long: what only an operator's word made right is taken back. */
export const DEGRADED_MS = 30_000;
/**
 * Nobody is let in any more. By then keys and buy addresses may have been rotated twice and a pause
 * been ordered a quarter of an hour ago; tokens that no gateway takes would only be a false hope.
 */
export const TOO_OLD_MS = 15 * 60_000;
/** Pause after a refresh that failed. */
export const RETRY_MS = 500;
/** Longest life of a fetch from the control plane. */
const FETCH_TIMEOUT_MS = 2_000;
/** Longest wait of a request for a refresh, its own or another's. */
const WAIT_MS = 2_500;
/** A refresh older than this died with the request that carried it. */
const ABANDONED_MS = 5_000;

if (!(FRESH_MS < STALE_MAX_MS && STALE_MAX_MS < DEGRADED_MS && DEGRADED_MS < TOO_OLD_MS)) {
  throw new Error("a snapshot is fresh, then stale, then degraded, then too old");
}
if (!(FETCH_TIMEOUT_MS < WAIT_MS && WAIT_MS < ABANDONED_MS)) {
  throw new Error("a refresh must time out before its waiters do, and they before it is given up");
}

export interface StoreOptions {
  settings: Pick<Settings, "snapshot_key" | "internal_token" | "control_plane_url">;
  clock: () => number;
  fetch: typeof fetch;
  log: Log;
  /** Called after a refresh that went well, behind the request; its promise is kept alive. */
  confirmed?: (version: number, adopted_ms: number) => Promise<void>;
}

/** Keeps work alive after the response, as `ExecutionContext.waitUntil` does. */
export type WaitUntil = (work: Promise<unknown>) => void;

interface Refresh {
  done: Promise<void>;
  started_ms: number;
}

export class SnapshotStore {
  #snapshot: Snapshot | null = null;
  #checked_ms = Number.NEGATIVE_INFINITY;
  #adopted_ms = 0;
  #failed_ms = Number.NEGATIVE_INFINITY;
  #failure: string | null = null;
  #refresh: Refresh | null = null;
  readonly #options: StoreOptions;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** The last good snapshot, or null while there has never been one. Never throws. */
  async current(wait_until: WaitUntil): Promise<Snapshot | null> {
    const age_ms = this.#options.clock() - this.#checked_ms;
    if (age_ms <= FRESH_MS) return this.#snapshot;
    const refresh = this.#join_refresh(wait_until);
    const must_wait = this.#snapshot === null || (age_ms > STALE_MAX_MS && this.#failure === null);
    if (refresh !== null && must_wait) await bounded(refresh, WAIT_MS);
    return this.#snapshot;
  }

  /** The snapshot that is here, or null. Never waits; a stale one is refreshed behind the request. */
  peek(wait_until: WaitUntil): Snapshot | null {
    if (this.#options.clock() - this.#checked_ms > FRESH_MS) this.#join_refresh(wait_until);
    return this.#snapshot;
  }

  /** The version that is here, or 0; asks nobody. */
  version(): number {
    return this.#snapshot?.version ?? 0;
  }

  /** Whether nobody has confirmed the snapshot for so long that an operator's share is not trusted. */
  is_degraded(): boolean {
    return this.#options.clock() - this.#checked_ms > DEGRADED_MS;
  }

  /** Whether nobody has confirmed it for so long that nobody is let in by it. */
  is_too_old(): boolean {
    return this.#options.clock() - this.#checked_ms > TOO_OLD_MS;
  }

  /** The refresh in flight, or a new one, or null so shortly after a failure. */
  #join_refresh(wait_until: WaitUntil): Promise<void> | null {
    const now_ms = this.#options.clock();
    if (this.#refresh !== null && now_ms - this.#refresh.started_ms < ABANDONED_MS) {
      return this.#refresh.done;
    }
    if (now_ms - this.#failed_ms < RETRY_MS) return null;
    const refresh: Refresh = { started_ms: now_ms, done: Promise.resolve() };
    this.#refresh = refresh;
    refresh.done = this.#run().finally(() => {
      if (this.#refresh === refresh) this.#refresh = null;
    });
    // Without waitUntil the runtime cancels the fetch when this request's client goes away, and
    // every other request that waits for it would wait in vain.
    wait_until(refresh.done.then(() => this.#tell()));
    return refresh.done;
  }

  async #run(): Promise<void> {
    try {
      const received = await this.#fetch_newer();
      if (received !== null) {
        const opened = await open_envelope(received, this.#options.settings.snapshot_key);
        this.#adopt(opened);
      }
      this.#checked_ms = this.#options.clock();
      this.#note_failure(null);
    } catch (error) {
      this.#failed_ms = this.#options.clock();
      this.#note_failure(error instanceof Error ? error.message : String(error));
    }
  }

  async #tell(): Promise<void> {
    if (this.#failure !== null || this.#snapshot === null) return;
    await this.#options.confirmed?.(this.#snapshot.version, this.#adopted_ms);
  }

  /** The envelope of a version newer than ours, or null when there is none. */
  async #fetch_newer(): Promise<string | null> {
    const { settings, fetch } = this.#options;
    const after = this.#snapshot?.version ?? 0;
    const query = `audience=edge&after=${after}&wait_ms=0`;
    const response = await fetch(`${settings.control_plane_url}/internal/snapshot?${query}`, {
      headers: { authorization: `Bearer ${settings.internal_token}` },
      redirect: "manual",
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    });
    if (response.status === 200) return response.text();
    await response.body?.cancel();
    if (response.status === 304 && this.#snapshot !== null) return null;
    throw new Error(`the control plane answered ${response.status}`);
  }

  #adopt(snapshot: Snapshot): void {
    // An old envelope has a good MAC too: only newer versions are taken.
    if (this.#snapshot !== null && snapshot.version <= this.#snapshot.version) return;
    this.#snapshot = snapshot;
    this.#adopted_ms = this.#options.clock();
    const { version, unusable_keys } = snapshot;
    this.#options.log("info", "snapshot_adopted", { version });
    for (const reason of unusable_keys) {
      this.#options.log("error", "session_key_unusable", { version, reason });
    }
  }

  /** Logs a failure when it begins, changes or ends, not at each of the refreshes between. */
  #note_failure(failure: string | null): void {
    if (failure === this.#failure) return;
    this.#failure = failure;
    const version = this.#snapshot?.version ?? null;
    if (failure === null) this.#options.log("info", "snapshot_refresh_recovered", { version });
    else this.#options.log("error", "snapshot_refresh_failed", { version, reason: failure });
  }
}

/** Resolves when `work` does, at the latest after `limit_ms`. */
async function bounded(work: Promise<void>, limit_ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit_ms);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
