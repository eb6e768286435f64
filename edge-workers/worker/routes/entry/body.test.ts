import { describe, expect, test } from "vitest";
import { read_device } from "./body.ts";

const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  new Request("http://edge.example/", {
    method: "POST",
    body,
    headers,
    duplex: "half",
  } as RequestInit);

/** A body sent in pieces, without a declared length. */
function pieces(...texts: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

const detail_of = (body: BodyInit, headers?: Record<string, string>) =>
  read_device(post(body, headers)).then(
    (device) => `accepted ${device}`,
    (error) => `${error.outcome}: ${error.details.detail}`,
  );

describe("the one shape is accepted", () => {
  test.each([
    '{"device":"device-1"}',
    '{ "device" : "device-1" }',
    '\r\n\t{"device":"device-1"}\n',
  ])("%o", async (body) => {
    expect(await read_device(post(body))).toBe("device-1");
  });

  test.each(["AZaz09_-", "d".repeat(64)])("device %s", async (device) => {
    expect(await read_device(post(JSON.stringify({ device })))).toBe(device);
  });

  test("in pieces without a length", async () => {
    expect(await read_device(post(pieces('{"device":', '"device-1"}')))).toBe("device-1");
  });

  test("of exactly 1 KiB", async () => {
    expect(await read_device(post('{"device":"device-1"}'.padEnd(1024)))).toBe("device-1");
    expect(await read_device(post(pieces('{"device":"device-1"}'.padEnd(1024))))).toBe("device-1");
  });
});

const CHARACTERS = "device must be 8 to 64 characters of A-Z a-z 0-9 _ -";
const ONCE = 'the body must be {"device": "…"}, the field once and without escapes';

describe("any other is refused with the field and the reason", () => {
  test.each([
    ["", "the body must be JSON"],
    ["device=device-1", "the body must be JSON"],
    ['{"device":"device-1"', "the body must be JSON"],
    ['{"device":"device-1"}}', "the body must be JSON"],
    ["[]", "the body must be a JSON object"],
    ["null", "the body must be a JSON object"],
    ['"device-1"', "the body must be a JSON object"],
    ["{}", "device is missing"],
    ['{"device":null}', "device must be a text"],
    ['{"device":12345678}', "device must be a text"],
    ['{"device":["device-1"]}', "device must be a text"],
    ['{"device":{"device":"device-1"}}', "device must be a text"],
    ['{"device":"device-1","qty":1}', 'unknown field "qty"'],
    ['{"Device":"device-1"}', 'unknown field "Device"'],
    ['{"__proto__":{"device":"device-1"}}', 'unknown field "__proto__"'],
    ['{"device":""}', CHARACTERS],
    ['{"device":"device7"}', CHARACTERS],
    [`{"device":"${"d".repeat(65)}"}`, CHARACTERS],
    ['{"device":"device.1"}', CHARACTERS],
    ['{"device":"设备设备设备设备"}', CHARACTERS],
    ['{"device":"device-1","device":"device-2"}', ONCE],
    ['{"device":"device-\\u0031"}', ONCE],
    ['{"d\\u0065vice":"device-1"}', ONCE],
    ['\ufeff{"device":"device-1"}', "the body must be JSON"],
  ])("%o", async (body, detail) => {
    expect(await detail_of(body)).toBe(`bad_request: ${detail}`);
  });

  test("a body that is not UTF-8", async () => {
    expect(await detail_of(new Uint8Array([0x7b, 0xff, 0x7d]))).toBe(
      "bad_request: the body must be UTF-8",
    );
  });

  test("a name of a field is not echoed at length", async () => {
    const detail = await detail_of(JSON.stringify({ ["x".repeat(500)]: 1 }));
    expect(detail.length).toBeLessThan(100);
  });
});

describe("a body above 1 KiB is refused", () => {
  const TOO_LARGE = "bad_request: the body must have at most 1024 bytes";
  const long = '{"device":"device-1"}'.padEnd(1025);

  test("by its declared length", async () => {
    expect(await detail_of(long, { "content-length": "1025" })).toBe(TOO_LARGE);
  });

  test("by what arrives", async () => {
    expect(await detail_of(pieces(long))).toBe(TOO_LARGE);
    expect(await detail_of(pieces(...Array(2000).fill(" ")))).toBe(TOO_LARGE);
  });

  test("without reading it to its end", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        controller.enqueue(new Uint8Array(512).fill(0x20));
      },
    });
    expect(await detail_of(endless)).toBe(TOO_LARGE);
    expect(sent).toBeLessThan(10);
  });
});
