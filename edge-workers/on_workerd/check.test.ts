/** The human check and the heartbeat in the real workerd, with a real siteverify to ask. */

import { type AddressInfo, createServer } from "node:net";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Asked, answer_to, NOBODY, person, place_of, work } from "../fixtures/check.ts";
import { SETTINGS } from "../fixtures/edge.ts";
import {
  document,
  envelope,
  INTERNAL_TOKEN,
  item,
  SNAPSHOT_KEY,
  session,
} from "../fixtures/sale.ts";
import { type Double, start_double } from "./doubles.ts";
import { build, type Served, serve } from "./serve.ts";

const PATIENCE = { timeout: 10_000, interval: 50 };
const CONTENT = () =>
  document({
    switches: { sale_enabled: true },
    items: { "7": item({ start_ms: Date.now() - 1000, end_ms: Date.now() + 3_600_000 }) },
  });

let control_plane: Double;
let siteverify: Double;
let verdict: object;
let edge: Served;

const start = (more: Record<string, string> = {}, ...args: string[]) => {
  const environment = {
    SLUICE_SNAPSHOT_KEY: SNAPSHOT_KEY,
    SLUICE_INTERNAL_TOKEN: INTERNAL_TOKEN,
    SLUICE_CHECK_KEY: SETTINGS.check_key,
    SLUICE_CONTROL_PLANE_URL: control_plane.origin,
    SLUICE_GATEWAY_URL: control_plane.origin,
    SLUICE_EDGE_INSTANCE: "edge-of-the-test",
    ...more,
  };
  return serve(environment, undefined, args);
};

beforeAll(build);

beforeEach(async () => {
  const published = CONTENT();
  control_plane = await start_double(({ url }, response) => {
    const { pathname, searchParams } = new URL(url, "http://control");
    if (pathname === "/internal/heartbeat") response.writeHead(204).end();
    else if (Number(searchParams.get("after")) >= published.version) response.writeHead(304).end();
    else response.end(envelope(published));
  });
  siteverify = await start_double((_, response) => response.end(JSON.stringify(verdict)));
});

afterEach(async () => {
  await edge.stop();
  await Promise.all([control_plane, siteverify].map((double) => double.close()));
});

const authorization = () => `Bearer ${session({}, Date.now())}`;

async function ask(): Promise<Asked & Record<string, string>> {
  const url = `${edge.origin}/v1/items/7/check?device=device-1`;
  return (await (
    await fetch(url, { headers: { authorization: authorization() } })
  ).json()) as Asked & Record<string, string>;
}

const enter = (check: object) =>
  fetch(`${edge.origin}/v1/items/7/entry`, {
    method: "POST",
    headers: { authorization: authorization() },
    body: JSON.stringify({ device: "device-1", check }),
  });

describe("the proof of work", () => {
  beforeEach(async () => {
    edge = await start();
  });

  test("lets a person in, once", async () => {
    const check = await answer_to(await ask(), person());
    expect((await enter(check)).status).toBe(200);
    expect((await enter(check)).status).toBe(403);
  });

  test("is followed by a puzzle for whom the score suspects, or by more work", async () => {
    const refused = await enter(await answer_to(await ask(), NOBODY));
    expect(refused.status).toBe(403);
    const { slider } = (await refused.json()) as Required<Asked>;
    for (const image of [slider.background, slider.piece]) {
      const bytes = Buffer.from(image, "base64");
      expect(bytes.subarray(1, 4).toString()).toBe("PNG");
      expect(bytes.length).toBeLessThan(30_000);
    }
    const payload = await work(slider.instead);
    expect((await enter({ provider: "slider", token: slider.token, payload })).status).toBe(200);
  });
});

test("a person whom a gateway has challenged passes the puzzle, and his token says until when", async () => {
  edge = await start();
  const refused = await enter({ ...(await answer_to(await ask(), person())), puzzle: 1 });
  expect(refused.status).toBe(403);
  const { slider } = (await refused.json()) as Required<Asked>;
  const x = await place_of(slider.token);
  const let_in = await enter({ provider: "slider", token: slider.token, x });
  expect(let_in.status).toBe(200);
  const { entry_token } = (await let_in.json()) as { entry_token: string };
  const claims = JSON.parse(Buffer.from(entry_token.split(".")[1] ?? "", "base64url").toString());
  expect(claims.pz - claims.iat).toBe(1800);
});

test("Turnstile is asked over HTTP where its keys are", async () => {
  edge = await start({
    SLUICE_TURNSTILE_SITE_KEY: "site",
    SLUICE_TURNSTILE_SECRET: "the-secret",
    SLUICE_TURNSTILE_URL: `${siteverify.origin}/siteverify`,
  });
  const { action, cdata } = await ask();
  const check = { provider: "turnstile", token: "the-token", trace: person() };
  verdict = { success: true, action, cdata };
  expect((await enter(check)).status).toBe(200);
  expect(siteverify.received[0]?.body).toBe(
    "secret=the-secret&response=the-token&remoteip=127.0.0.1",
  );
  verdict = { success: false };
  expect((await enter(check)).status).toBe(403);
  await siteverify.close();
  expect((await enter(check)).status).toBe(503);
});

test("without another address Cloudflare itself is asked, by TLS and under its name", async () => {
  const greetings: Buffer[] = [];
  const impostor = createServer((socket) => {
    socket.once("data", (greeting) => {
      greetings.push(greeting);
      socket.end();
    });
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
  const { port } = impostor.address() as AddressInfo;
  const keys = { SLUICE_TURNSTILE_SITE_KEY: "site", SLUICE_TURNSTILE_SECRET: "the-secret" };
  edge = await start(keys, `--external-addr=cloudflare=127.0.0.1:${port}`);
  const check = { provider: "turnstile", token: "the-token", trace: person() };
  // Unknown is not no.
  expect((await enter(check)).status).toBe(503);
  const [greeting] = greetings;
  expect(greeting?.[0], "a TLS handshake").toBe(22);
  expect(greeting?.includes("challenges.cloudflare.com")).toBe(true);
  await new Promise((resolve) => impostor.close(resolve));
});

test("the control plane hears which version runs", async () => {
  edge = await start();
  await ask();
  const beats = () => control_plane.received.filter(({ url }) => url === "/internal/heartbeat");
  await vi.waitFor(() => expect(beats()).toHaveLength(1), PATIENCE);
  const { workers, ...beat } = JSON.parse(beats()[0]?.body ?? "");
  expect(beat).toEqual({
    instance: "edge-of-the-test",
    kind: "edge",
    at_ms: expect.any(Number),
  });
  expect(workers).toEqual([
    {
      id: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      version: 12,
      applied_at_ms: expect.any(Number),
    },
  ]);
});
