/** The body of an entry request: one exact shape and nothing else. */

import { type CheckAnswer, read_answer } from "../../check/answer.ts";
import { Refusal } from "../../problem/problem.ts";

/** A Turnstile token is up to 2 KiB, a trace up to 540 bytes. */
const BODY_MAX_BYTES = 4096;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const DEVICE = /^[A-Za-z0-9_-]{8,64}$/;
// Matched on the text, because a JSON parser hides a field that is there twice.
const EXACT = new RegExp(
  String.raw`^S\{S"device"S:S"([^"\\]*)"S(?:,S"check"S:S\{([^{}]*)\}S)?\}S$`.replaceAll(
    "S",
    "[ \\t\\r\\n]*",
  ),
);

/** What an entry says: on which device, and what the human check was answered. */
export interface EntryBody {
  device: string;
  check: CheckAnswer | null;
}

function refuse(detail: string): never {
  throw new Refusal("bad_request", { detail });
}

async function read_bounded(request: Request): Promise<Uint8Array> {
  const too_large = `the body must have at most ${BODY_MAX_BYTES} bytes`;
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > BODY_MAX_BYTES) refuse(too_large);
    return new Uint8Array(await request.arrayBuffer());
  }
  const read = new Uint8Array(BODY_MAX_BYTES);
  let length = 0;
  const reader = request.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    if (length + value.length > BODY_MAX_BYTES) {
      await reader.cancel();
      refuse(too_large);
    }
    read.set(value, length);
    length += value.length;
  }
  return read.subarray(0, length);
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    return refuse("the body must be UTF-8");
  }
}

/** Why a text is not the exact shape; only ever runs on a text that is refused. */
function explain(text: string): never {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse("the body must be JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuse("the body must be a JSON object");
  }
  const unknown_field = Object.keys(value).find((field) => field !== "device" && field !== "check");
  if (unknown_field !== undefined) {
    refuse(`unknown field ${JSON.stringify(unknown_field.slice(0, 64))}`);
  }
  if (!("device" in value)) refuse("device is missing");
  if (typeof value.device !== "string") refuse("device must be a text");
  refuse('the body must be {"device": "…"} or {"device": "…", "check": {…}}, without escapes');
}

/** Whether a text is a device's id. */
export const is_device = (text: string) => DEVICE.test(text);
export const DEVICE_EXPECTED = "device must be 8 to 64 characters of A-Z a-z 0-9 _ -";

/** Reads `{"device": "…"}`, with `"check": {…}` behind it or not. Throws a `bad_request` refusal. */
export async function read_body(request: Request): Promise<EntryBody> {
  const text = decode(await read_bounded(request));
  const [, device, check] = EXACT.exec(text) ?? [undefined, explain(text)];
  if (device === undefined || !is_device(device)) refuse(DEVICE_EXPECTED);
  return { device, check: check === undefined ? null : read_answer(check, refuse) };
}
