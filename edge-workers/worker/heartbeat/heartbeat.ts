/**
 * Tells the control plane which snapshot this isolate runs (`control_plane/snapshot/heartbeat.py`).
 *
 * A worker has no life between requests, so it speaks when a request made it look for news, at most
 * every `EVERY_MS`; an edge that nobody visits is silent. Nothing here depends on being heard.
 */

import type { Settings } from "../env/settings.ts";

export const EVERY_MS = 2_000;
const TIMEOUT_MS = 1_000;
/** Longest name that the control plane takes. */
const INSTANCE_MAX_CHARS = 64;

export interface HeartbeatOptions {
  settings: Pick<Settings, "control_plane_url" | "internal_token" | "instance">;
  clock: () => number;
  fetch: typeof fetch;
  /** What tells this isolate from its neighbours. */
  isolate_id: () => string;
}

export class Heartbeat {
  #beat_ms = Number.NEGATIVE_INFINITY;
  #id: string | null = null;
  readonly #options: HeartbeatOptions;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /**
   * Sends one unless one was sent just now. `colo` is Cloudflare's location, which gets a line of its
   * own in the console; of several isolates there the one that spoke last is shown. Never throws.
   */
  async beat(version: number, applied_at_ms: number, colo: string | null): Promise<void> {
    const { settings, clock, fetch, isolate_id } = this.#options;
    const at_ms = clock();
    if (at_ms - this.#beat_ms < EVERY_MS) return;
    this.#beat_ms = at_ms;
    // Not in the constructor: Cloudflare refuses randomness while a module is loaded.
    this.#id ??= isolate_id();
    const instance = colo === null ? settings.instance : `${settings.instance}.${colo}`;
    try {
      const response = await fetch(`${settings.control_plane_url}/internal/heartbeat`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${settings.internal_token}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({
          instance: instance.slice(0, INSTANCE_MAX_CHARS),
          kind: "edge",
          workers: [{ id: this.#id, version, applied_at_ms }],
          at_ms,
        }),
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.body?.cancel();
    } catch {
      // The next one says the same or better; what is wrong with the control plane, the refresh logs.
    }
  }
}
