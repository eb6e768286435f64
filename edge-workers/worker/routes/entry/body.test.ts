import { describe, expect, test } from "vitest";
import { read_body } from "./body.ts";

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
  read_body(post(body, headers)).then(
    ({ device, check }) => `accepted ${device} ${JSON.stringify(check)}`,
    (error) => `${error.outcome}: ${error.details.detail}`,
  );

describe("the one shape is accepted", () => {
  test.each([
    '{"device":"device-1"}',
    '{ "device" : "device-1" }',
    '\r\n\t{"device":"device-1"}\n',
  ])("%o", async (body) => {
    expect(await read_body(post(body))).toEqual({ device: "device-1", check: null });
  });

  test.each(["AZaz09_-", "d".repeat(64)])("device %s", async (device) => {
    expect((await read_body(post(JSON.stringify({ device })))).device).toBe(device);
  });

  test("in pieces without a length", async () => {
    const body = pieces('{"device":', '"device-1"}');
    expect((await read_body(post(body))).device).toBe("device-1");
  });

  test("of exactly 4 KiB", async () => {
    const long = '{"device":"device-1"}'.padEnd(4096);
    expect((await read_body(post(long))).device).toBe("device-1");
    expect((await read_body(post(pieces(long)))).device).toBe("device-1");
  });

  test.each([
    { provider: "altcha", payload: "eyJh+/8=", trace: "AQAAAAAAAA" },
    { provider: "turnstile", token: "0.AbC-_9", trace: "AQAAAAAAAA" },
    { provider: "slider", token: "iv.sealed", x: 0 },
    { provider: "slider", token: "iv.sealed", x: 280 },
    { provider: "slider", token: "iv.sealed", payload: "eyJh" },
    { provider: "renewal", token: "e.n-_.t" },
  ])("with the check %o", async (check) => {
    const body = JSON.stringify({ device: "device-1", check });
    expect(await read_body(post(body))).toEqual({ device: "device-1", check });
    const spaced = JSON.stringify({ device: "device-1", check }, null, 2);
    expect(await read_body(post(spaced))).toEqual({ device: "device-1", check });
  });
});

const CHARACTERS = "device must be 8 to 64 characters of A-Z a-z 0-9 _ -";
const ONCE = 'the body must be {"device": "…"} or {"device": "…", "check": {…}}, without escapes';
const FLAT = "check must be a flat object of texts and whole numbers";
const OTHER_FIELDS = "check has other fields than an answer to";

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
    ['{"check":{},"device":"device-1"}', ONCE],
    ['{"device":"device-1","check":{}}', FLAT],
    ['{"device":"device-1","check":null}', ONCE],
    ['{"device":"device-1","check":{"provider":"altcha",}}', FLAT],
    ['{"device":"device-1","check":{"provider":"altcha","payload":[]}}', FLAT],
    ['{"device":"device-1","check":{"provider":"slider","token":"a","x":-1}}', FLAT],
    ['{"device":"device-1","check":{"provider":"slider","token":"a","x":1.5}}', FLAT],
    ['{"device":"device-1","check":{"provider":"slider","token":"a","x":07}}', FLAT],
    [
      '{"device":"device-1","check":{"provider":"__proto__"}}',
      "check.provider must be one of altcha, turnstile, slider, renewal",
    ],
    [
      '{"device":"device-1","check":{"provider":"slider","provider":"altcha"}}',
      "check.provider is there twice",
    ],
    [
      '{"device":"device-1","check":{"provider":"renewal","token":"a.b.c","trace":"AQ"}}',
      `${OTHER_FIELDS} renewal has`,
    ],
    [
      `{"device":"device-1","check":{"provider":"renewal","token":"${"a".repeat(2049)}"}}`,
      "check.token must be at most 2048 characters of [A-Za-z0-9._-]",
    ],
    ['{"device":"device-1","check":{"provider":"altcha"}}', `${OTHER_FIELDS} altcha has`],
    [
      '{"device":"device-1","check":{"provider":"slider","token":"a","x":1,"payload":"e"}}',
      `${OTHER_FIELDS} slider has`,
    ],
    [
      '{"device":"device-1","check":{"provider":"slider","token":"a","x":281}}',
      "check.x must be a whole number from 0 to 280",
    ],
    [
      '{"device":"device-1","check":{"provider":"slider","token":"a","x":"9"}}',
      "check.x must be a whole number from 0 to 280",
    ],
    [
      '{"device":"device-1","check":{"provider":"altcha","payload":"e","trace":"a.b"}}',
      "check.trace must be at most 524 characters of [A-Za-z0-9_-]",
    ],
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

describe("a body above 4 KiB is refused", () => {
  const TOO_LARGE = "bad_request: the body must have at most 4096 bytes";
  const long = '{"device":"device-1"}'.padEnd(4097);

  test("by its declared length", async () => {
    expect(await detail_of(long, { "content-length": "4097" })).toBe(TOO_LARGE);
  });

  test("by what arrives", async () => {
    expect(await detail_of(pieces(long))).toBe(TOO_LARGE);
    expect(await detail_of(pieces(...Array(5000).fill(" ")))).toBe(TOO_LARGE);
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
    expect(sent).toBeLessThan(20);
  });
});
