import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { decode_trace } from "../../shared/trace.ts";
import { ProofOfWork, USUAL } from "../../worker/check/proof_of_work.ts";
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

test("the work is done ahead, and what is seen after it goes along all the same", async () => {
  const stop = watch(page as Document);
  const made = await solve({
    edge: "https://edge.example",
    session: "s.e.s",
    host: null as unknown as HTMLElement,
    lang: "en",
    signal: new AbortController().signal,
    ...BOUND,
  });
  const scripted = () => decode_trace(String(made?.().trace))?.scripted;
  expect(scripted()).toBe(false);
  page.dispatchEvent(new Event("click")); // not trusted: a script made it
  expect(scripted()).toBe(true);
  expect(asked).toEqual(["https://edge.example/v1/items/7/check?device=device-1"]);
  stop();
});
