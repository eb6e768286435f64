import { beforeEach, describe, expect, test } from "vitest";
import { control_plane_with, Edge, unreachable } from "../../fixtures/edge.ts";
import { document, INTERNAL_TOKEN, NOW_MS, session } from "../../fixtures/sale.ts";
import { EVERY_MS } from "./heartbeat.ts";

let edge: Edge;

beforeEach(() => {
  edge = new Edge();
});

async function visit(facts?: object): Promise<number> {
  const headers = { authorization: `Bearer ${session()}` };
  const init = { method: "POST", headers, body: '{"device":"device-1"}' };
  const response = await edge.fetch("/v1/items/7/entry", init, facts);
  await edge.settle();
  return response.status;
}

test("says which version this isolate runs, in the control plane's words", async () => {
  await visit();
  const [beat] = edge.heartbeats;
  expect(edge.heartbeats).toHaveLength(1);
  expect(beat?.method).toBe("POST");
  expect(beat?.url).toBe("http://control.example/internal/heartbeat");
  expect(beat?.headers.get("authorization")).toBe(`Bearer ${INTERNAL_TOKEN}`);
  // The exact shape that control_plane/snapshot/heartbeat.py takes: one field more is refused.
  expect(await beat?.json()).toEqual({
    instance: "edge",
    kind: "edge",
    workers: [{ id: "isolate-1", version: 12, applied_at_ms: NOW_MS }],
    at_ms: NOW_MS,
  });
});

test("names Cloudflare's location", async () => {
  await visit({ colo: "FRA" });
  expect(await edge.heartbeats[0]?.json()).toMatchObject({ instance: "edge.FRA" });
});

test("comes at most so often, however many visit", async () => {
  for (let at = 0; at < 20; at += 1) {
    await visit();
    edge.now_ms += EVERY_MS / 4;
  }
  expect(edge.heartbeats.length).toBeGreaterThan(3);
  expect(edge.heartbeats.length).toBeLessThanOrEqual(5);
});

test("tells of a new version when it is adopted", async () => {
  await visit();
  edge.control_plane = control_plane_with(document({ version: 13 }));
  edge.now_ms += EVERY_MS;
  await visit();
  expect(await edge.heartbeats.at(-1)?.json()).toMatchObject({
    workers: [{ version: 13, applied_at_ms: NOW_MS + EVERY_MS }],
  });
});

describe("is not sent", () => {
  test("without a snapshot", async () => {
    edge.control_plane = unreachable;
    expect(await visit()).toBe(503);
    expect(edge.heartbeats).toEqual([]);
  });

  test("after a refresh that failed: nothing is known of the version then", async () => {
    await visit();
    edge.control_plane = unreachable;
    edge.now_ms += EVERY_MS;
    await visit();
    expect(edge.heartbeats).toHaveLength(1);
  });
});

test("that nobody takes changes nothing for the visitor", async () => {
  const answers = control_plane_with();
  edge.control_plane = (request) => {
    if (request.url.includes("heartbeat")) throw new TypeError("fetch failed");
    return answers(request);
  };
  expect(await visit()).toBe(200);
  expect(edge.log.filter(({ level }) => level === "error")).toEqual([]);
});
