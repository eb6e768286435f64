/** Asks the edge for the human check's question and answers it; shows something only when it must. */

import type { Challenge } from "altcha-lib/types";
import type { SliderQuestion } from "../../shared/slider.ts";
import { device_id } from "./device.ts";
import type { Lang } from "./messages.ts";
import { ask_slider } from "./slider.ts";
import { ask_turnstile, type TurnstileQuestion } from "./turnstile.ts";
import { trace_so_far } from "./watch.ts";
import { work_on } from "./work.ts";

export interface SolveArgs {
  /** The edge's origin. */
  edge: string;
  item: number;
  session: string;
  /** Where the puzzle is shown, if there is one. */
  host: HTMLElement;
  /** `slider` of a `challenge` refusal. */
  slider?: unknown;
  lang: Lang;
  signal: AbortSignal;
  /** The device that the entry will name; the browser's own when left out. */
  device?: string;
}

/** The edge did not give a question. `code` is the refusal's, or `offline`, `no_answer`, `busy`. */
export class CheckUnavailable extends Error {
  override name = "CheckUnavailable";

  constructor(
    readonly code: string,
    readonly retry_after_ms: number,
  ) {
    super(code);
  }
}

const RETRY_DEFAULT_MS = 1_000;
/** As long as the SDK waits for any other answer. Not its constant: that is in the other bundle. */
const PATIENCE_MS = 12_000;

type Question =
  | { provider: "none" }
  | { provider: "altcha"; challenge: Challenge }
  | ({ provider: "turnstile" } & TurnstileQuestion);

/** Makes the `check` of an entry's or lobby's body; with it goes what was seen until that moment. */
export type Answer = () => Record<string, unknown>;

/**
 * Does the work; null when none is asked for. What comes of it is good for one body, and is called
 * when that is sent: work is done ahead of time, and whoever waits quietly does nothing before he
 * presses. Throws `CheckUnavailable`, and the signal's reason when that ends it.
 */
export async function solve(args: SolveArgs): Promise<Answer | null> {
  const { slider, host, lang, signal } = args;
  if (slider !== undefined && slider !== null) {
    const answer = await ask_slider(slider as SliderQuestion, host, lang, signal);
    return () => ({ provider: "slider", ...answer });
  }
  const question = await ask(args);
  if (question.provider === "none") return null;
  if (question.provider === "turnstile") {
    const token = await ask_turnstile(question, host, lang, signal);
    return () => ({ provider: "turnstile", token, trace: trace_so_far() });
  }
  const payload = await work_on(question.challenge, signal);
  return () => ({ provider: "altcha", payload, trace: trace_so_far() });
}

async function ask({ edge, item, session, signal, device }: SolveArgs): Promise<Question> {
  const whose = encodeURIComponent(device ?? (await device_id()));
  const given_up = new AbortController();
  const give_up = () => given_up.abort();
  const timer = setTimeout(give_up, PATIENCE_MS);
  signal.addEventListener("abort", give_up);
  let response: Response;
  let text: string;
  try {
    signal.throwIfAborted();
    response = await fetch(`${edge}/v1/items/${item}/check?device=${whose}`, {
      headers: { authorization: `Bearer ${session}` },
      signal: given_up.signal,
    });
    text = await response.text();
  } catch {
    signal.throwIfAborted();
    const code = given_up.signal.aborted ? "no_answer" : "offline";
    throw new CheckUnavailable(code, RETRY_DEFAULT_MS);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", give_up);
  }
  const answer = as_object(text);
  if (response.ok && "provider" in answer) return answer as Question;
  throw new CheckUnavailable(
    String(answer.code ?? "busy"),
    Number(answer.retry_after_ms) || RETRY_DEFAULT_MS,
  );
}

/** An error page of somebody between is an answer too: it says that the edge cannot be asked now. */
function as_object(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
