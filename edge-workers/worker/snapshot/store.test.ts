import { beforeEach, describe, expect, test, vi } from "vitest";
import { control_plane_with, Edge, unreachable } from "../../fixtures/edge.ts";
import { document, envelope, INTERNAL_TOKEN, item, session } from "../../fixtures/sale.ts";
import { FRESH_MS, RETRY_MS, STALE_MAX_MS } from "./store.ts";

let edge: Edge;

beforeEach(() => {
  edge = new Edge();
});

/** Asks for entry; the answer shows which snapshot decided. */
const enter = (id = 7) =>
  edge.fetch(`/v1/items/${id}/entry`, {
    method: "POST",
    headers: { authorization: `Bearer ${session()}` },
    body: '{"device":"device-1"}',
  });

const version_13 = () => document({ version: 13, items: { "8": item({ id: 8 }) } });

/** A control plane that answers when told to. */
function held_control_plane(answer: Response) {
  let release = () => {};
  const held = new Promise<Response>((resolve) => {
    release = () => resolve(answer);
  });
  return { origin: () => held, release };
}

describe("the first request", () => {
  test("waits for the snapshot, asked for with the bearer token", async () => {
    expect((await enter()).status).toBe(200);
    const [request] = edge.seen;
    const { pathname, searchParams } = new URL(request?.url ?? "");
    expect(pathname).toBe("/internal/snapshot");
    expect(Object.fromEntries(searchParams)).toEqual({
      audience: "edge",
      after: "0",
      wait_ms: "0",
    });
    expect(request?.headers.get("authorization")).toBe(`Bearer ${INTERNAL_TOKEN}`);
  });

  test.each([
    ["is away", unreachable],
    ["refuses the token", () => new Response(null, { status: 401 })],
    ["says nothing is new", () => new Response(null, { status: 304 })],
    ["sends a forged snapshot", () => new Response(envelope(document(), "another-key-0000"))],
  ])("hears busy when the control plane %s", async (_name, origin) => {
    edge.control_plane = origin;
    const response = await enter();
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("2");
    expect(await response.json()).toMatchObject({ code: "busy", retry_after_ms: 1500 });
  });

  test("shares its refresh with all that come meanwhile", async () => {
    const { origin, release } = held_control_plane(new Response(envelope(document())));
    edge.control_plane = origin;
    const answers = Array.from({ length: 50 }, () => enter());
    await vi.waitFor(() => expect(edge.snapshot_requests).toHaveLength(1));
    release();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(edge.snapshot_requests).toHaveLength(1);
  });

  test("that met a failure is not followed by a storm", async () => {
    edge.control_plane = unreachable;
    for (let visitor = 0; visitor < 20; visitor += 1) await enter();
    expect(edge.snapshot_requests).toHaveLength(1);
    edge.now_ms += RETRY_MS;
    edge.control_plane = control_plane_with();
    expect((await enter()).status).toBe(200);
  });
});

describe("a snapshot in use", () => {
  beforeEach(async () => {
    await enter();
    await edge.settle();
  });

  test("is not asked for again while it is fresh", async () => {
    edge.now_ms += FRESH_MS;
    await enter();
    expect(edge.snapshot_requests).toHaveLength(1);
  });

  test("is used once more and refreshed behind the request when it is stale", async () => {
    edge.control_plane = control_plane_with(version_13());
    edge.now_ms += FRESH_MS + 1;
    expect((await enter(7)).status).toBe(200);
    await edge.settle();
    expect((await enter(7)).status).toBe(404);
    expect((await enter(8)).status).toBe(200);
    expect(edge.snapshot_requests.at(-1)?.url).toContain("after=12");
  });

  test("has one refresh in flight however many requests find it stale", async () => {
    const { origin, release } = held_control_plane(new Response(null, { status: 304 }));
    edge.control_plane = origin;
    edge.now_ms += FRESH_MS + 1;
    for (let visitor = 0; visitor < 50; visitor += 1) expect((await enter()).status).toBe(200);
    expect(edge.snapshot_requests).toHaveLength(2);
    release();
    await edge.settle();
    await enter();
    expect(edge.snapshot_requests).toHaveLength(2);
  });

  test("is waited for after a quiet time, so that a switch thrown in it counts", async () => {
    edge.control_plane = control_plane_with(version_13());
    edge.now_ms += STALE_MAX_MS + 1;
    expect((await enter(7)).status).toBe(404);
  });

  test("is not waited for when the last refresh failed", async () => {
    edge.control_plane = unreachable;
    edge.now_ms += STALE_MAX_MS + 1;
    expect((await enter()).status).toBe(200);
    edge.control_plane = () => new Promise(() => {});
    edge.now_ms += RETRY_MS;
    expect((await enter()).status).toBe(200);
    expect(edge.snapshot_requests).toHaveLength(3);
  });

  test("is followed by a new refresh when the one in flight never ends", async () => {
    edge.control_plane = () => new Promise(() => {});
    edge.now_ms += FRESH_MS + 1;
    await enter();
    edge.control_plane = control_plane_with(version_13());
    edge.now_ms += STALE_MAX_MS;
    expect((await enter(8)).status).toBe(200);
  });
});

describe("the last good snapshot stays", () => {
  beforeEach(async () => {
    await enter();
    await edge.settle();
    edge.log.length = 0;
  });

  const wrong = () => {
    const { mac } = JSON.parse(envelope(document()));
    return JSON.stringify({ version: 13, mac, body: JSON.stringify(version_13()) });
  };

  test.each([
    ["a bad mac", () => new Response(wrong()), "mac does not match"],
    [
      "a wrong field",
      () => new Response(envelope({ ...version_13(), items: [] } as never)),
      "items",
    ],
    ["an unreachable control plane", unreachable, "fetch failed"],
    ["an error page", () => new Response("oops", { status: 500 }), "answered 500"],
    ["a redirect", () => new Response(null, { status: 302 }), "answered 302"],
  ])("after %s, and the reason is logged once", async (_name, origin, reason) => {
    edge.control_plane = origin;
    for (let round = 0; round < 5; round += 1) {
      edge.now_ms += FRESH_MS + RETRY_MS;
      expect((await enter()).status).toBe(200);
      await edge.settle();
    }
    expect(edge.log).toEqual([
      {
        level: "error",
        event: "snapshot_refresh_failed",
        fields: { version: 12, reason: expect.stringContaining(reason) },
      },
    ]);
  });

  test("when an older version is replayed with its good mac", async () => {
    const older = document({ version: 11, items: {} });
    edge.control_plane = () => new Response(envelope(older));
    edge.now_ms += FRESH_MS + 1;
    await enter();
    await edge.settle();
    expect((await enter()).status).toBe(200);
  });

  test("and is replaced when the control plane is back", async () => {
    edge.control_plane = unreachable;
    edge.now_ms += FRESH_MS + 1;
    await enter();
    await edge.settle();
    edge.control_plane = control_plane_with(version_13());
    edge.now_ms += RETRY_MS;
    await enter();
    await edge.settle();
    expect((await enter(8)).status).toBe(200);
    expect(edge.log.map(({ event }) => event)).toEqual([
      "snapshot_refresh_failed",
      "snapshot_adopted",
      "snapshot_refresh_recovered",
    ]);
  });
});

test("nothing that is logged holds a key", async () => {
  const bad_key = { kid: "bad-1", secret: "not-a-good-secret" };
  edge.control_plane = control_plane_with(
    document({ merchants: { demo: { session_keys: [bad_key] } } }),
  );
  await enter();
  expect(edge.log.map(({ event }) => event)).toContain("session_key_unusable");
  expect(JSON.stringify(edge.log)).not.toContain(bad_key.secret);
});
