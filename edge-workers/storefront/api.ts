/** What the page asks the edge for. */

export interface Item {
  id: number;
  title: string;
  price_minor: number;
  currency: string;
  units: number;
  limit: number;
}

export interface Campaign {
  slug: string;
  title: string;
  state: string;
  start_ms: number;
  end_ms: number;
  items: Item[];
}

/** An answer, whatever its status: `code` is its outcome or state, or `offline`. */
export interface Answer {
  ok: boolean;
  code: string;
  body: Record<string, unknown>;
  retry_after_ms: number;
}

const RETRY_DEFAULT_MS = 1000;
/** An answer that names no outcome: a session or a time, or an error page of somebody between. */
const UNNAMED = "unnamed";

/** Asks and never throws: no connection and no JSON are answers too. */
export async function ask(
  path: string,
  token: string | null = null,
  body: object | null = null,
  more_headers: Record<string, string> = {},
): Promise<Answer> {
  const headers = { ...more_headers };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (body !== null) headers["content-type"] = "application/json";
  try {
    const init =
      body === null ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
    const response = await fetch(path, init);
    const answer = (await response.json()) as Record<string, unknown>;
    const wait = Number(answer.retry_after_ms);
    return {
      ok: response.ok,
      code: String((response.ok ? (answer.outcome ?? answer.state) : answer.code) ?? UNNAMED),
      body: answer,
      retry_after_ms: wait > 0 ? wait : RETRY_DEFAULT_MS,
    };
  } catch {
    return { ok: false, code: "offline", body: {}, retry_after_ms: RETRY_DEFAULT_MS };
  }
}

const CLOCK_SAMPLES = 5;

/**
 * The server's clock. Of several samples the one with the smallest round trip wins, because its
 * error is at most half of that (Cristian's algorithm). Runs on `performance.now()`, so a change of
 * the computer's own clock does not move it. Falls back to the computer's clock without samples.
 */
export async function synced_clock(): Promise<() => number> {
  let best = { round_trip_ms: Number.POSITIVE_INFINITY, ahead_ms: Date.now() - performance.now() };
  for (let sample = 0; sample < CLOCK_SAMPLES; sample += 1) {
    const sent = performance.now();
    const { ok, body } = await ask("/v1/time");
    const round_trip_ms = performance.now() - sent;
    if (!ok || round_trip_ms >= best.round_trip_ms) continue;
    best = { round_trip_ms, ahead_ms: Number(body.now_ms) - (sent + round_trip_ms / 2) };
  }
  return () => performance.now() + best.ahead_ms;
}
