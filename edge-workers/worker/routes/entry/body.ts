/** The body of an entry request: one exact shape and nothing else. */

import { Refusal } from "../../problem/problem.ts";

const BODY_MAX_BYTES = 1024;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const DEVICE = /^[A-Za-z0-9_-]{8,64}$/;
// Matched on the text, because a JSON parser hides a field that is there twice.
const EXACT =
  /^[ \t\r\n]*\{[ \t\r\n]*"device"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"[ \t\r\n]*\}[ \t\r\n]*$/;

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
  const unknown_field = Object.keys(value).find((field) => field !== "device");
  if (unknown_field !== undefined) {
    refuse(`unknown field ${JSON.stringify(unknown_field.slice(0, 64))}`);
  }
  if (!("device" in value)) refuse("device is missing");
  if (typeof value.device !== "string") refuse("device must be a text");
  refuse('the body must be {"device": "…"}, the field once and without escapes');
}

/** Reads `{"device": "…"}` and returns the device. Throws a `bad_request` refusal. */
export async function read_device(request: Request): Promise<string> {
  const text = decode(await read_bounded(request));
  const device = EXACT.exec(text)?.[1] ?? explain(text);
  if (!DEVICE.test(device)) refuse("device must be 8 to 64 characters of A-Z a-z 0-9 _ -");
  return device;
}
