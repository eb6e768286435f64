import { afterEach, expect, test, vi } from "vitest";
import { outbound } from "./outbound.ts";

const SITEVERIFY = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
const network = vi.fn(async () => new Response("network"));
const cloudflare = { fetch: vi.fn(async () => new Response("cloudflare")) };
vi.stubGlobal("fetch", network);

afterEach(() => vi.clearAllMocks());

test("Turnstile's judge is asked through its own service, and with all that is sent", async () => {
  const init = { method: "POST", body: "response=x" };
  const response = await outbound(cloudflare)(SITEVERIFY, init);
  expect(await response.text()).toBe("cloudflare");
  expect(cloudflare.fetch).toHaveBeenCalledWith(SITEVERIFY, init);
});

test.each([
  "http://challenges.cloudflare.com/turnstile/v0/siteverify",
  "https://challenges.cloudflare.com.evil.example/",
  "https://challenges.cloudflare.com:8443/",
  "http://127.0.0.1:8080/v1/items/7/buy",
])("%s does not go through it", async (url) => {
  await outbound(cloudflare)(url);
  await outbound(cloudflare)(new Request(url));
  expect(network).toHaveBeenCalledTimes(2);
  expect(cloudflare.fetch).not.toHaveBeenCalled();
});

test.each([null, undefined])(
  "where there is no such service (%o) the network is asked",
  async (none) => {
    expect(await (await outbound(none)(SITEVERIFY)).text()).toBe("network");
  },
);
