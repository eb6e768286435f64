import { describe, expect, test } from "vitest";
import { read_settings } from "./settings.ts";

const GOOD = {
  SLUICE_SNAPSHOT_KEY: "snapshot-key-of-32-characters-ok",
  SLUICE_INTERNAL_TOKEN: "internal-token-of-32-characters!",
  SLUICE_CONTROL_PLANE_URL: "http://127.0.0.1:8000",
  SLUICE_GATEWAY_URL: "https://gateway.example/",
  SLUICE_CHECK_KEY: "check-key-of-32-characters-is-ok",
  SLUICE_DEMO: "1",
};

test("good bindings become settings, addresses without a trailing slash", () => {
  expect(read_settings(GOOD)).toEqual({
    snapshot_key: "snapshot-key-of-32-characters-ok",
    internal_token: "internal-token-of-32-characters!",
    control_plane_url: "http://127.0.0.1:8000",
    gateway_url: "https://gateway.example",
    gateway_canary_url: null,
    check_key: "check-key-of-32-characters-is-ok",
    turnstile: null,
    limiter: null,
    instance: "edge",
    otlp_url: null,
    monitoring_token: null,
    demo: true,
  });
});

test("a second pool of gateways is read where there is one", () => {
  const read = (value: unknown) =>
    read_settings({ ...GOOD, SLUICE_GATEWAY_CANARY_URL: value }).gateway_canary_url;
  expect(read("http://canary.example:8080/")).toBe("http://canary.example:8080");
  expect([null, undefined, ""].map(read)).toEqual([null, null, null]);
});

test("Turnstile takes both of its keys, and Cloudflare's address unless told otherwise", () => {
  const keys = { SLUICE_TURNSTILE_SITE_KEY: "site", SLUICE_TURNSTILE_SECRET: "secret" };
  expect(read_settings({ ...GOOD, ...keys }).turnstile).toEqual({
    site_key: "site",
    secret: "secret",
    siteverify_url: "https://challenges.cloudflare.com/turnstile/v0/siteverify",
  });
  const elsewhere = { ...GOOD, ...keys, SLUICE_TURNSTILE_URL: "http://127.0.0.1:9/verify" };
  expect(read_settings(elsewhere).turnstile?.siteverify_url).toBe("http://127.0.0.1:9/verify");
});

test("a limiter of the platform is taken where it is bound", () => {
  const binding = { limit: async () => ({ success: true }) };
  expect(read_settings({ ...GOOD, SLUICE_ENTRY_LIMITER: binding }).limiter).toBe(binding);
  expect(read_settings({ ...GOOD, SLUICE_ENTRY_LIMITER: null }).limiter).toBeNull();
});

test.each([null, undefined, "", "0"])("the demo is off when SLUICE_DEMO is %o", (value) => {
  expect(read_settings({ ...GOOD, SLUICE_DEMO: value }).demo).toBe(false);
});

describe("a wrong binding is refused by name", () => {
  test.each([
    ["SLUICE_SNAPSHOT_KEY", null, "is not set"],
    ["SLUICE_SNAPSHOT_KEY", "short", "at least 32 characters"],
    ["SLUICE_INTERNAL_TOKEN", undefined, "is not set"],
    ["SLUICE_INTERNAL_TOKEN", "", "is not set"],
    ["SLUICE_CONTROL_PLANE_URL", "127.0.0.1:8000", "is not a URL"],
    ["SLUICE_CONTROL_PLANE_URL", "control plane", "is not a URL"],
    ["SLUICE_CONTROL_PLANE_URL", 8000, "must be text"],
    ["SLUICE_GATEWAY_URL", "ftp://gateway.example", "http:// or https://"],
    ["SLUICE_GATEWAY_URL", "http://gateway.example/v1", "origin only"],
    ["SLUICE_GATEWAY_URL", "http://user:pw@gateway.example", "origin only"],
    ["SLUICE_GATEWAY_URL", "http://gateway.example/?a=1", "origin only"],
    ["SLUICE_GATEWAY_CANARY_URL", "canary", "is not a URL"],
    ["SLUICE_GATEWAY_CANARY_URL", "http://canary.example/v1", "origin only"],
    ["SLUICE_CHECK_KEY", null, "is not set"],
    ["SLUICE_CHECK_KEY", "short", "at least 32 characters"],
    ["SLUICE_TURNSTILE_SITE_KEY", "alone", "SLUICE_TURNSTILE_SECRET is not set"],
    ["SLUICE_ENTRY_LIMITER", {}, "must be a rate-limit binding"],
    ["SLUICE_EDGE_INSTANCE", "an edge", "must match"],
    ["SLUICE_OTLP_URL", "http://collector.example/v1/traces", "origin only"],
    ["SLUICE_DEMO", "yes", "must be 0 or 1"],
    ["SLUICE_DEMO", true, "must be 0 or 1"],
  ])("%s = %o", (name, value, reason) => {
    const of_whom = name === "SLUICE_TURNSTILE_SITE_KEY" ? "SLUICE_TURNSTILE_SECRET" : name;
    expect(() => read_settings({ ...GOOD, [name]: value })).toThrow(of_whom);
    expect(() => read_settings({ ...GOOD, [name]: value })).toThrow(reason);
  });
});

test("a refused secret is not repeated in the message", () => {
  expect(() => read_settings({ ...GOOD, SLUICE_SNAPSHOT_KEY: "hunter2" })).not.toThrow("hunter2");
});
