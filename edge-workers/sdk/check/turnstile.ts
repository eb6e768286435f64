/** Cloudflare's widget, for edges that use it in place of the proof of work. */

import { type Lang, say } from "./messages.ts";

const SCRIPT = "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit";

/** As the edge's question carries it. */
export interface TurnstileQuestion {
  site_key: string;
  action: string;
  cdata: string;
}

interface Turnstile {
  render(
    host: HTMLElement,
    options: {
      sitekey: string;
      action: string;
      cData: string;
      language: string;
      appearance: "interaction-only";
      callback: (token: string) => void;
      "error-callback": (code: string) => void;
    },
  ): string;
  remove(id: string): void;
}

const global = globalThis as { turnstile?: Turnstile };
/** Who waits longer for the script hears so, and it is loaded anew at the next try. */
const PATIENCE_MS = 12_000;

let loaded: Promise<void> | null = null;

function load(): Promise<void> {
  loaded ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    const fail = () => {
      clearTimeout(timer);
      script.remove();
      loaded = null;
      reject(new Error("Turnstile could not be loaded"));
    };
    const timer = setTimeout(fail, PATIENCE_MS);
    script.onload = () => {
      clearTimeout(timer);
      resolve();
    };
    script.onerror = fail;
    document.head.append(script);
  });
  return loaded;
}

/** The widget's token. It shows itself in `host` only when it wants something of the visitor. */
export async function ask_turnstile(
  question: TurnstileQuestion,
  host: HTMLElement,
  lang: Lang,
  signal: AbortSignal,
): Promise<string> {
  if (global.turnstile === undefined) await load();
  signal.throwIfAborted();
  const { turnstile } = global;
  if (turnstile === undefined) throw new Error("Turnstile did not start");
  const box = document.createElement("div");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", say(lang, "turnstile"));
  host.append(box);
  let id: string | null = null;
  try {
    return await new Promise<string>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      id = turnstile.render(box, {
        sitekey: question.site_key,
        action: question.action,
        cData: question.cdata,
        language: lang === "zh" ? "zh-cn" : "en",
        appearance: "interaction-only",
        callback: resolve,
        "error-callback": (code) => reject(new Error(`Turnstile: ${code}`)),
      });
    });
  } finally {
    if (id !== null) turnstile.remove(id);
    box.remove();
  }
}
