/** One JSON object a line on standard output, as every Sluice process logs. */

export type LogLevel = "info" | "warn" | "error";
export type Log = (level: LogLevel, event: string, fields?: Record<string, unknown>) => void;

/** The worker's log. Fields must never hold a key, a token or a request body. */
export const log: Log = (level, event, fields = {}) => {
  // biome-ignore lint/suspicious/noConsole: console is the only log sink a worker has.
  console.log(JSON.stringify({ level, event, process: "edge", ...fields }));
};
