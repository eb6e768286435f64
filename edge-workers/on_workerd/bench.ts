/**
 * `npm run bench`: what the doors of a sale cost workerd, in CPU time of its process a request.
 *
 * A fixed number of requests over 16 connections each, against doubles; prints a table and judges
 * nothing. Figures of one run compare with each other only.
 */

import { readFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:http";
import { type Asked, answer_to, NOBODY, person } from "../fixtures/check.ts";
import { SETTINGS } from "../fixtures/edge.ts";
import {
  document,
  envelope,
  INTERNAL_TOKEN,
  item,
  SNAPSHOT_KEY,
  session,
} from "../fixtures/sale.ts";
import { start_double } from "./doubles.ts";
import { build, serve } from "./serve.ts";

const CONNECTIONS = 16;
const REQUESTS = 4_000;
/** Each takes a tenth of a second to make. */
const ANSWERS = 120;
/** USER_HZ of every Linux that there is. */
const TICK_S = 1 / 100;

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

/** user + system time of a process, in seconds. */
function cpu_s(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_S;
}

function send(url: string, options: RequestOptions, body = ""): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, agent }, (response) => {
      let text = "";
      response.on("data", (part) => {
        text += part;
      });
      response.on("end", () => resolve([response.statusCode ?? 0, text]));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Runs `count` of them; what one cost, and how the answers were. */
async function measure(
  name: string,
  pid: number,
  count: number,
  one: (at: number) => Promise<[number, string]>,
): Promise<void> {
  const statuses = new Map<number, number>();
  let next = 0;
  const before = cpu_s(pid);
  const line = async () => {
    for (let at = next++; at < count; at = next++) {
      const [status] = await one(at);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, line));
  const each_us = ((cpu_s(pid) - before) / count) * 1e6;
  const heard = [...statuses].map(([status, times]) => `${times} × ${status}`).join(", ");
  const per_s = Math.round(1e6 / each_us);
  process.stdout.write(
    `${name.padEnd(34)}${each_us.toFixed(0).padStart(7)} µs${String(per_s).padStart(8)} /s and core   ${heard}\n`,
  );
}

async function run(): Promise<void> {
  await build();
  const times = { start_ms: Date.now() - 1000, end_ms: Date.now() + 3_600_000 };
  const content = document({
    switches: { sale_enabled: true },
    items: {
      "7": item({ ...times, switches: { human_check: false } }),
      "8": item({ ...times, id: 8 }),
    },
  });
  const control_plane = await start_double(({ url }, response) => {
    const after = Number(new URL(url, "http://control").searchParams.get("after") ?? 99);
    if (after >= content.version) response.writeHead(304).end();
    else response.end(envelope(content));
  });
  const edge = await serve({
    SLUICE_SNAPSHOT_KEY: SNAPSHOT_KEY,
    SLUICE_INTERNAL_TOKEN: INTERNAL_TOKEN,
    SLUICE_CHECK_KEY: SETTINGS.check_key,
    SLUICE_CONTROL_PLANE_URL: control_plane.origin,
    SLUICE_GATEWAY_URL: control_plane.origin,
  });
  const pid = edge.pid ?? 0;
  const sessions = Array.from({ length: 500 }, (_, at) => session({ sub: `s-${at}` }, Date.now()));
  const headers = (at: number) => ({ authorization: `Bearer ${sessions[at % sessions.length]}` });
  const device = (at: number) => `device-${at % sessions.length}`;
  const enter = (id: number, at: number, check?: object) =>
    send(
      `${edge.origin}/v1/items/${id}/entry`,
      { method: "POST", headers: headers(at) },
      JSON.stringify({ device: device(at), check }),
    );
  const ask = (at: number) =>
    send(`${edge.origin}/v1/items/8/check?device=${device(at)}`, { headers: headers(at) });
  const answers = async (trace: (at: number) => string) => {
    const all: object[] = [];
    for (let at = 0; at < ANSWERS; at += 1) {
      all.push(await answer_to(JSON.parse((await ask(at))[1]) as Asked, trace(at)));
    }
    return all;
  };
  try {
    await enter(7, 0);
    await measure("GET /v1/time", pid, REQUESTS, () => send(`${edge.origin}/v1/time`, {}));
    await measure("entry: token issued, no check", pid, REQUESTS, (at) => enter(7, at));
    await measure("check: question", pid, REQUESTS, ask);
    const good = await answers(person);
    await measure("entry: check passed, token issued", pid, ANSWERS, (at) =>
      enter(8, at, good[at]),
    );
    await measure("entry: used check refused", pid, REQUESTS, (at) =>
      enter(8, at % ANSWERS, good[at % ANSWERS]),
    );
    const odd = await answers(() => NOBODY);
    await measure("entry: puzzle asked for", pid, ANSWERS, (at) => enter(8, at, odd[at]));
  } finally {
    agent.destroy();
    await edge.stop();
    await control_plane.close();
  }
}

await run();
