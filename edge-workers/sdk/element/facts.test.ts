import { afterEach, expect, test, vi } from "vitest";
import { read_facts } from "./facts.ts";

afterEach(() => vi.unstubAllGlobals());

const answer = (status: number, body: string) =>
  vi.stubGlobal("fetch", async () => new Response(body, { status }));

test.each([
  [200, '{"start_ms":5,"id":7}', { facts: { start_ms: 5, id: 7 } }],
  [404, '{"code":"not_found"}', { facts: null, code: "not_found", retry_after_ms: null }],
  [503, '{"code":"busy","retry_after_ms":9000}', { facts: null, retry_after_ms: 9000 }],
  [502, "<html>", { facts: null, code: "unnamed", retry_after_ms: null }],
  [200, "{}", { facts: null }],
])("%i %s", async (status, body, found) => {
  answer(status, body);
  expect(await read_facts("https://edge.example", 7)).toMatchObject(found);
});
