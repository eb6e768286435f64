/** Cloudflare's widget as a double; what of a page it touches is a double too. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PreparedCheck } from "../human_check.ts";
import type { TurnstileQuestion } from "./turnstile.ts";

const QUESTION: TurnstileQuestion = { site_key: "site", action: "a", cdata: "c" };
const never = new AbortController().signal;

class FakeElement {
  readonly attributes: Record<string, string> = {};
  readonly children: FakeElement[] = [];
  parent: FakeElement | null = null;
  src = "";
  onload = () => {};
  onerror = () => {};
  setAttribute(name: string, value: string) {
    this.attributes[name] = value;
  }
  append(child: FakeElement) {
    child.parent = this;
    this.children.push(child);
  }
  remove() {
    this.parent?.children.splice(this.parent.children.indexOf(this), 1);
  }
}

interface Options {
  callback: (token: string) => void;
  "error-callback": (code: string) => void;
}

let head: FakeElement;
let host: FakeElement;
let rendered: { box: FakeElement; options: Options }[];
let removed: string[];
/** Fresh for each test: what was loaded is the module's. */
let ask: (signal?: AbortSignal) => Promise<string>;

const widget = {
  render: (box: FakeElement, options: Options) => {
    rendered.push({ box, options });
    return `widget-${rendered.length}`;
  },
  remove: (id: string) => void removed.push(id),
};
const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

beforeEach(async () => {
  [head, host, rendered, removed] = [new FakeElement(), new FakeElement(), [], []];
  vi.stubGlobal("document", { createElement: () => new FakeElement(), head });
  vi.stubGlobal("turnstile", widget);
  vi.resetModules();
  const { ask_turnstile } = await import("./turnstile.ts");
  ask = (signal = never) => ask_turnstile(QUESTION, host as unknown as HTMLElement, "zh", signal);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("is shown in the check's place, in the page's language, and taken away with its token", async () => {
  const asked = ask();
  await soon();
  expect(rendered[0]?.box.parent).toBe(host);
  expect(rendered[0]?.box.attributes).toEqual({ role: "group", "aria-label": "请确认您是真人。" });
  expect(rendered[0]?.options).toMatchObject({
    sitekey: "site",
    action: "a",
    cData: "c",
    language: "zh-cn",
    appearance: "interaction-only",
  });
  rendered[0]?.options.callback("token-1");
  expect(await asked).toBe("token-1");
  expect(removed).toEqual(["widget-1"]);
  expect(host.children).toEqual([]);
});

test("that fails says its code and is taken away", async () => {
  const asked = expect(ask()).rejects;
  await soon();
  rendered[0]?.options["error-callback"]("300010");
  await asked.toThrow("300010");
  expect(removed).toEqual(["widget-1"]);
  expect(host.children).toEqual([]);
});

test("goes with the page that asked", async () => {
  const leaving = new AbortController();
  const asked = expect(ask(leaving.signal)).rejects;
  await soon();
  leaving.abort("left");
  await asked.toBe("left");
  expect(removed).toEqual(["widget-1"]);
});

test("whose token is too old is asked again", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const check = new PreparedCheck(async () => {
    const token = await ask();
    return () => ({ token });
  });
  check.prepare("s", never);
  await soon();
  rendered[0]?.options.callback("token-1");
  // Cloudflare's tokens are good for 300 s.
  vi.advanceTimersByTime(299_000);
  const taken = check.take("s", null, never);
  await soon();
  rendered[1]?.options.callback("token-2");
  expect(await taken).toEqual({ token: "token-2" });
});

test("is loaded once, and anew after it could not be", async () => {
  vi.stubGlobal("turnstile", undefined);
  const failed = expect(ask()).rejects;
  expect(head.children[0]?.src).toContain("https://challenges.cloudflare.com/");
  head.children[0]?.onerror();
  await failed.toThrow("could not be loaded");
  expect(head.children).toEqual([]);

  const asked = [ask(), ask()];
  expect(head.children).toHaveLength(1);
  vi.stubGlobal("turnstile", widget);
  head.children[0]?.onload();
  await soon();
  for (const { options } of rendered) options.callback("token");
  expect(await Promise.all(asked)).toEqual(["token", "token"]);
});

test("whose script never comes is not waited for", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("turnstile", undefined);
  const asked = ask().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(String(await asked)).toContain("could not be loaded");
  expect(head.children).toEqual([]);
});
