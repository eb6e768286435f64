import { describe, expect, test } from "vitest";
import { OUTCOMES, type Outcome } from "./outcome.ts";
import { busy, method_not_allowed, problem } from "./problem.ts";

describe("a refusal", () => {
  test.each([
    ["bad_request", 400],
    ["bad_token", 401],
    ["challenge", 403],
    ["not_found", 404],
    ["ended", 410],
    ["not_started", 425],
    ["rate_limited", 429],
    ["busy", 503],
  ] as const)("%s is %i with the code as its type", async (outcome, status) => {
    const response = problem(outcome);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      type: `urn:sluice:outcome:${outcome}`,
      title: OUTCOMES[outcome].title,
      status,
      code: outcome,
    });
  });

  test("a 401 names the scheme it wants, and nothing else does", () => {
    expect(problem("bad_token").headers.get("www-authenticate")).toBe("Bearer");
    expect(problem("not_found").headers.has("www-authenticate")).toBe(false);
  });

  test("without a wait has no Retry-After", () => {
    for (const outcome of Object.keys(OUTCOMES) as Outcome[]) {
      expect(problem(outcome).headers.has("retry-after")).toBe(false);
    }
  });

  test.each([
    [1, "1"],
    [999, "1"],
    [1000, "1"],
    [1001, "2"],
    [90_000, "90"],
  ])("with a wait of %i ms says Retry-After: %s", async (retry_after_ms, seconds) => {
    const response = problem("busy", { retry_after_ms });
    expect(response.headers.get("retry-after")).toBe(seconds);
    expect(await response.json()).toMatchObject({ retry_after_ms });
  });
});

test("busy spreads its callers over one to two seconds", () => {
  expect(busy(() => 0, "").details.retry_after_ms).toBe(1000);
  expect(busy(() => 0.9999, "").details.retry_after_ms).toBe(1999);
});

test("a wrong method hears which ones are right", async () => {
  const response = method_not_allowed("POST");
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("POST");
  expect(await response.json()).toEqual({
    type: "about:blank",
    title: "Method Not Allowed",
    status: 405,
  });
});
