/** Builds the bundle and runs the real workerd on a free loopback port. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

// Of the sources, and of `dist` when it is bundled for `npm run bench`.
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const WORKERD = "node_modules/workerd/bin/workerd";
// workerd writes one JSON line here for each socket it listens on, with the port it was given.
const CONTROL_FD = 3;

/** `npm run build`. */
export async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, ["build.mjs"], { cwd: ROOT });
}

/** How a workerd that should not run ended. */
export interface Exit {
  code: number | null;
  output: string;
}

/** A running edge. */
export interface Served {
  origin: string;
  /** Of workerd itself. */
  pid: number | undefined;
  /** Everything it has written so far. */
  output(): string;
  stop(): Promise<void>;
}

/** Published pages of nobody: the directory has to exist. */
const NOTHING_PUBLISHED = mkdtempSync(`${tmpdir()}/sluice-published-`);

function start(
  environment: Record<string, string>,
  published = NOTHING_PUBLISHED,
  more: readonly string[] = [],
) {
  const options = ["serve", "workerd.capnp", "--socket-addr=http=127.0.0.1:0"];
  options.push(`--directory-path=published=${published}`);
  const child = spawn(WORKERD, [...options, ...more, `--control-fd=${CONTROL_FD}`], {
    cwd: ROOT,
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const written: string[] = [];
  const output = () => written.join("");
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => written.push(chunk.toString()));
  }
  const exit = new Promise<Exit>((resolve) => {
    child.once("close", (code) => resolve({ code, output: output() }));
  });
  return { child, exit, output };
}

function listening_port(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    let received = "";
    child.stdio[CONTROL_FD]?.on("data", (chunk: Buffer) => {
      received += chunk.toString();
      const port = /"event":"listen".*?"port":(\d+)/.exec(received)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}

/** Serves until stopped; `more` are arguments for workerd. Rejects with workerd's own words when it does not start. */
export async function serve(
  environment: Record<string, string>,
  published?: string,
  more?: readonly string[],
): Promise<Served> {
  const { child, exit, output } = start(environment, published, more);
  const port = await Promise.race([
    listening_port(child),
    exit.then(({ code }) => {
      throw new Error(`workerd ended with ${code}: ${output()}`);
    }),
  ]);
  return {
    origin: `http://127.0.0.1:${port}`,
    pid: child.pid,
    output,
    async stop() {
      child.kill("SIGTERM");
      await exit;
    },
  };
}

/** Runs workerd with an environment it must refuse. */
export async function refuse_to_serve(environment: Record<string, string>): Promise<Exit> {
  const { child, exit } = start(environment);
  const ended = await Promise.race([exit, listening_port(child).then(() => null)]);
  if (ended !== null) return ended;
  child.kill("SIGTERM");
  await exit;
  throw new Error("workerd runs although it must not");
}
