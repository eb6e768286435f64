import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { decode_trace } from "../../shared/trace.ts";
import { ProofOfWork, USUAL } from "../../worker/check/proof_of_work.ts";
import { PreparedCheck } from "../human_check.ts";
import { solve } from "./solve.ts";
import { watch } from "./watch.ts";

const BOUND = { item: 7, shopper: "ann", device: "device-1" };
const page = new EventTarget();
let asked: string[];

beforeEach(() => {
  asked = [];
  vi.stubGlobal("navigator", { webdriver: false });
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    const binding = { ...BOUND, expires_ms: Date.now() + 60_000, of: "" };
    const challenge = await new ProofOfWork("key-of-the-test").ask(binding, USUAL);
    return Response.json({ provider: "altcha", challenge });
  });
});

afterEach(() => vi.unstubAllGlobals());

const solving = (signal = new AbortController().signal) =>
  solve({
    edge: "https://edge.example",
    session: "s.e.s",
    host: null as unknown as HTMLElement,
    lang: "en",
    signal,
    ...BOUND,
  });

/** What it fails with; listened to at once, or it would count as unheard. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => "it did not fail",
    (error: unknown) => error,
  );

/** A fetch that answers never, and ends as one does when it is given up. */
const silence = (_url: string, { signal }: RequestInit) =>
  new Promise<Response>((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
  });

describe("a question", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("that is never answered is given up, also when it was asked ahead", async () => {
    vi.stubGlobal("fetch", silence);
    const check = new PreparedCheck((_session, _slider, signal) => solving(signal));
    check.prepare("s", new AbortController().signal);
    const taken = failure(check.take("s", null, new AbortController().signal));
    // The one that was asked ahead, and the one in its place.
    await vi.advanceTimersByTimeAsync(24_000);
    expect(await taken).toMatchObject({ name: "CheckUnavailable", code: "no_answer" });
  });

  test("whose answer stops in the middle is given up too", async () => {
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => ({
      ok: true,
      text: () => silence(url, init),
    }));
    const solved = failure(solving());
    await vi.advanceTimersByTimeAsync(12_000);
    expect(await solved).toMatchObject({ code: "no_answer" });
  });

  test("that nobody waits for any more ends with its reason", async () => {
    vi.stubGlobal("fetch", silence);
    const leaving = new AbortController();
    const solved = failure(solving(leaving.signal));
    leaving.abort("left");
    expect(await solved).toBe("left");
  });

  test.each([
    [502, "<html>Bad Gateway", { code: "busy", retry_after_ms: 1000 }],
    [200, "<html>Welcome to the hotel", { code: "busy" }],
    [200, "null", { code: "busy" }],
    [429, '{"code":"rate_limited","retry_after_ms":340}', { code: "rate_limited" }],
  ])("answered by %i %s is no missing connection", async (status, body, refusal) => {
    vi.stubGlobal("fetch", async () => new Response(body, { status }));
    await expect(solving()).rejects.toMatchObject({ name: "CheckUnavailable", ...refusal });
  });

  test("that could not be sent is no connection", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    await expect(solving()).rejects.toMatchObject({ code: "offline" });
  });
});

test("the work is done ahead, and what is seen after it goes along all the same", async () => {
  const stop = watch(page as Document);
  const made = await solving();
  const scripted = () => decode_trace(String(made?.().trace))?.scripted;
  expect(scripted()).toBe(false);
  page.dispatchEvent(new Event("click")); // not trusted: a script made it
  expect(scripted()).toBe(true);
  expect(asked).toEqual(["https://edge.example/v1/items/7/check?device=device-1"]);
  stop();
});
