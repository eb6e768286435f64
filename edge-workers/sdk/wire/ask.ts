/** One request to the edge. It never throws: no connection and no answer are answers too. */

import { PATIENCE_MS } from "../within.ts";

/** An answer, whatever its status. */
export interface Answer {
  ok: boolean;
  /** Its outcome or state, else one of those below. */
  code: string;
  body: Record<string, unknown>;
  /** How long the server asks to wait; null when it does not say. */
  retry_after_ms: number | null;
}

/** Could not be sent, or was cut off: nobody knows whether it arrived. */
export const OFFLINE = "offline";
/** Sent, and no answer in time: unknown, never "no". */
export const NO_ANSWER = "no_answer";
/** An answer that names no outcome: a token, a time, or an error page of somebody between. */
export const UNNAMED = "unnamed";

export interface Question {
  token?: string | null;
  /** With a body it is a POST. */
  body?: object | null;
  headers?: Record<string, string>;
  timeout_ms?: number;
  /** Gives the request up, as a time-out does. */
  signal?: AbortSignal;
}

/** An answer that was not given by the server. */
export const silence = (code: string): Answer => ({
  ok: false,
  code,
  body: {},
  retry_after_ms: null,
});

function as_answer(ok: boolean, body: Record<string, unknown>): Answer {
  const wait_ms = Number(body.retry_after_ms);
  const code = ok ? (body.outcome ?? body.state) : body.code;
  return {
    ok,
    code: typeof code === "string" ? code : UNNAMED,
    body,
    retry_after_ms: wait_ms > 0 ? wait_ms : null,
  };
}

/** Asks once. Credentials are never sent: the token is all the edge reads. */
export async function ask(url: string, question: Question = {}): Promise<Answer> {
  const { token, body, timeout_ms = PATIENCE_MS, signal } = question;
  const headers: Record<string, string> = { ...question.headers };
  if (token != null) headers.authorization = `Bearer ${token}`;
  if (body != null) headers["content-type"] = "application/json";
  const given_up = new AbortController();
  const give_up = () => given_up.abort();
  const timer = setTimeout(give_up, timeout_ms);
  signal?.addEventListener("abort", give_up);
  try {
    const init: RequestInit = { headers, credentials: "omit", signal: given_up.signal };
    if (body != null) Object.assign(init, { method: "POST", body: JSON.stringify(body) });
    const response = await fetch(url, init);
    const text = await response.text();
    return as_answer(response.ok, as_object(text));
  } catch {
    return silence(given_up.signal.aborted ? NO_ANSWER : OFFLINE);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", give_up);
  }
}

function as_object(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
