/** One JSON object a line on standard output (`deploy/logs/line.schema.json`). */

export type LogLevel = "info" | "warn" | "error";
export type Log = (level: LogLevel, event: string, fields?: Record<string, unknown>) => void;

/** The worker's log. Fields must never hold a key, a token or a request body. */
export const log: Log = (level, event, fields = {}) => {
  // biome-ignore lint/suspicious/noConsole: console is the only log sink a worker has.
  console.log(
    JSON.stringify({
      at: new Date().toISOString(),
      level: level === "warn" ? "warning" : level,
      process: "edge",
      message: event,
      ...fields,
    }),
  );
};

/** Longest time between two lines of one event that a flood is cut down to. */
const FLOOD_INTERVAL_MS = 1000;

/**
 * The same log with at most one line a second of each event; the next line says how many were left
 * out. For what a visitor can cause: an outage must not fill a disk at the rate of the visitors.
 */
export function without_floods(log: Log, clock: () => number): Log {
  const written = new Map<string, { at_ms: number; left_out: number }>();
  return (level, event, fields = {}) => {
    const now_ms = clock();
    const last = written.get(event);
    if (last !== undefined && now_ms - last.at_ms < FLOOD_INTERVAL_MS) {
      last.left_out += 1;
      return;
    }
    written.set(event, { at_ms: now_ms, left_out: 0 });
    log(level, event, last?.left_out ? { ...fields, left_out: last.left_out } : fields);
  };
}
