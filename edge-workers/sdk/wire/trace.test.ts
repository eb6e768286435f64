/** What a purchase's requests say of its trace, with `fetch` written down. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Answer } from "./ask.ts";
import { Traces } from "./trace.ts";

const answer = (code: string, body = {}): Answer => ({
  ok: true,
  code,
  body,
  retry_after_ms: null,
});
let told: { url: string; traceparent: string; body: Record<string, unknown> }[];

beforeEach(() => {
  told = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const { traceparent = "" } = init.headers as Record<string, string>;
    told.push({ url, traceparent, body: JSON.parse(String(init.body)) });
    return new Response(null, { status: 204 });
  });
});
afterEach(() => vi.unstubAllGlobals());

test("every request of a purchase has the same traceparent, and another purchase another one", () => {
  const traces = new Traces();
  const { traceparent } = traces.of("key-1").headers;
  expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(traces.of("key-1").headers.traceparent).toBe(traceparent);
  expect(traces.of("key-2").headers.traceparent).not.toBe(traceparent);
});

test("the flag is set once the edge says so, and for this purchase alone", () => {
  const traces = new Traces();
  traces.of("key-1").entered(answer("unnamed", { traced: true }));
  traces.of("key-1").entered(answer("unnamed"));
  expect(traces.of("key-1").headers.traceparent).toMatch(/-01$/);
  expect(traces.of("key-2").headers.traceparent).toMatch(/-00$/);
});

test("what is not followed is told to nobody", () => {
  const trace = new Traces().of("key-1");
  trace.entered(answer("unnamed", { traced: "yes" }));
  trace.bought("https://edge.example", 7, answer("reserved"));
  expect(told).toEqual([]);
});

test("a followed purchase is told once, when it is decided", () => {
  const trace = new Traces().of("key-1");
  trace.entered(answer("unnamed", { traced: true }));
  for (const code of ["queued", "busy", "no_answer", "reserved", "reserved"]) {
    trace.bought("https://edge.example", 7, answer(code));
  }
  expect(told).toEqual([
    {
      url: "https://edge.example/v1/trace",
      traceparent: trace.headers.traceparent,
      body: { item: 7, took_ms: expect.any(Number), outcome: "reserved" },
    },
  ]);
});
