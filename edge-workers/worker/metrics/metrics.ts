/**
 * What this isolate has counted: `GET /internal/metrics`, with the monitoring token.
 *
 * Under workerd one isolate is the whole edge. On Cloudflare there are many, each with a part of the
 * counts, and nobody can ask all of them: there the platform's analytics take this one's place.
 * Names, labels and units are in `control_plane/metrics/of_edge.py`; a test compares them.
 */

import { type Context, Hono, type MiddlewareHandler } from "hono";
import { problem } from "../problem/problem.ts";

const PATH = "/internal/metrics";
const HELP = {
  sluice_edge_requests_total: ["counter", "Answers by kind of address and class of status."],
  sluice_edge_entries_total: ["counter", "Requests for an entry token by outcome."],
  sluice_edge_snapshot_version: ["gauge", "Snapshot that the edge runs; 0 for none."],
} as const;
type Name = keyof typeof HELP;

/** Kinds of addresses: a closed set, whatever is asked for. */
const ROUTES: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/time$/, "time"],
  [/^\/v1\/items\/[^/]+\/entry$/, "entry"],
  [/^\/v1\/items\/[^/]+\/lobby$/, "lobby"],
  [/^\/v1\/items\/[^/]+\/check/, "check"],
  [/^\/v1\//, "gateway"],
  [/^\/sdk\//, "sdk"],
  [/^\/(c\/.*|draw\/.*)?$/, "page"],
];

export class Metrics {
  readonly #counts = new Map<string, number>();

  /** Counts every answer but those to Prometheus. */
  readonly counting: MiddlewareHandler = async (c, next) => {
    await next();
    const { pathname } = new URL(c.req.url);
    if (pathname === PATH) return;
    const route = ROUTES.find(([pattern]) => pattern.test(pathname))?.[1] ?? "other";
    const status = `${Math.floor(c.res.status / 100)}xx`;
    this.#add("sluice_edge_requests_total", `route="${route}",status="${status}"`);
    if (route === "entry") {
      this.#add("sluice_edge_entries_total", `outcome="${outcome_of(c.res)}"`);
    }
  };

  #add(name: Name, labels: string): void {
    const key = `${name}{${labels}}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Prometheus' text format. */
  text(version: number): string {
    const lines: string[] = [];
    for (const [name, [kind, help]] of Object.entries(HELP)) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
      for (const [key, count] of this.#counts) {
        if (key.startsWith(`${name}{`)) lines.push(`${key} ${count}`);
      }
    }
    lines.push(`sluice_edge_snapshot_version ${version}`, "");
    return lines.join("\n");
  }
}

/** Outcomes are a closed set by their status (DESIGN §2). */
function outcome_of(response: Response): string {
  const known: Record<number, string> = {
    200: "entered",
    400: "bad_request",
    401: "bad_token",
    403: "denied",
    404: "not_found",
    410: "ended",
    425: "not_started",
    429: "rate_limited",
    503: "busy",
  };
  return known[response.status] ?? "other";
}

/** The route; without a token it does not exist. */
export function metrics_route(metrics: Metrics, token: string | null, version: () => number): Hono {
  return new Hono().get(PATH, (c: Context) => {
    if (token === null) return problem("not_found");
    if (!same(c.req.header("authorization") ?? "", `Bearer ${token}`)) return problem("bad_token");
    return c.text(metrics.text(version()), 200, {
      "content-type": "text/plain; version=0.0.4",
      "cache-control": "no-store",
    });
  });
}

/** In a time that says nothing of where they differ. */
function same(given: string, expected: string): boolean {
  let differing = given.length ^ expected.length;
  for (let at = 0; at < expected.length; at += 1) {
    differing |= given.charCodeAt(at % Math.max(given.length, 1)) ^ expected.charCodeAt(at);
  }
  return differing === 0;
}
