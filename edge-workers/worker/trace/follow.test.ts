import { beforeEach, describe, expect, test } from "vitest";
import { control_plane_with, Edge, GATEWAY, OTLP } from "../../fixtures/edge.ts";
import { document, item, PATH_KEY, session } from "../../fixtures/sale.ts";
import { SPANS_MAX } from "./spans.ts";
import { is_chosen, read_traceparent } from "./traceparent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PAGE_SPAN = "00f067aa0ba902b7";
const OWN_SPAN = "b7ad6b7169203331";
const traceparent = (flags: string) => `00-${TRACE}-${PAGE_SPAN}-${flags}`;

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: object }[];
}

let edge: Edge;
let received: OtlpSpan[];

function start(trace_sampling: number, otlp_url: string | null = OTLP): void {
  edge = new Edge({ otlp_url });
  edge.span_id = () => OWN_SPAN;
  received = [];
  edge.otlp = async (request) => {
    const { resourceSpans } = (await request.json()) as {
      resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
    };
    received.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((s) => s.spans)));
    return Response.json({});
  };
  const switches = { sale_enabled: true, human_check: false, trace_sampling };
  edge.control_plane = control_plane_with(document({ switches, items: { "7": item() } }));
}

const enter = (flags = "00") =>
  edge.fetch("/v1/items/7/entry", {
    method: "POST",
    headers: { authorization: `Bearer ${session()}`, traceparent: traceparent(flags) },
    body: '{"device":"device-1"}',
  });
const buy = (flags: string) =>
  edge.fetch(`/v1/items/7/${PATH_KEY}/buy`, {
    method: "POST",
    headers: { authorization: "Bearer e.n.t", traceparent: traceparent(flags) },
    body: '{"qty":1}',
  });
const tell = (headers: Record<string, string>, body: string) =>
  edge.fetch("/v1/trace", {
    method: "POST",
    headers: { "content-length": String(body.length), ...headers },
    body,
  });
const at_gateway = () =>
  edge.seen
    .filter(({ url }) => url.startsWith(GATEWAY))
    .map((one) => one.headers.get("traceparent"));

describe("with the switch at 100", () => {
  beforeEach(() => start(100));

  test("the entry chooses the trace, says so, and is a span of it", async () => {
    expect(await (await enter()).json()).toMatchObject({ traced: true });
    await edge.settle();
    expect(received).toMatchObject([
      {
        traceId: TRACE,
        spanId: OWN_SPAN,
        parentSpanId: PAGE_SPAN,
        name: "POST /v1/items/{item}/entry",
      },
    ]);
  });

  test("a followed purchase reaches the gateway as a child of the edge's span", async () => {
    await enter();
    await buy("01");
    await edge.settle();
    expect(at_gateway()).toEqual([`00-${TRACE}-${OWN_SPAN}-01`]);
    expect(received.at(-1)).toMatchObject({ parentSpanId: PAGE_SPAN, spanId: OWN_SPAN });
    expect(JSON.stringify(received), "the path_key is a secret").not.toContain(PATH_KEY);
  });

  test("what the page does not follow goes on as it is, and is told to nobody", async () => {
    await enter();
    await edge.settle();
    received = [];
    await buy("00");
    await edge.settle();
    expect(at_gateway()).toEqual([traceparent("00")]);
    expect(received).toEqual([]);
  });

  test("the page's own span begins the trace", async () => {
    await enter();
    const told = await tell(
      { traceparent: traceparent("01") },
      '{"item":7,"took_ms":250,"outcome":"reserved"}',
    );
    expect(told.status).toBe(204);
    await edge.settle();
    expect(received.at(-1)).toMatchObject({ traceId: TRACE, spanId: PAGE_SPAN, name: "purchase" });
    expect(received.at(-1)).not.toHaveProperty("parentSpanId");
  });

  test.each([
    [traceparent("00"), '{"item":7,"took_ms":250,"outcome":"reserved"}'],
    ["", '{"item":7,"took_ms":250,"outcome":"reserved"}'],
    [traceparent("01"), '{"item":7,"took_ms":999999999,"outcome":"reserved"}'],
    [traceparent("01"), '{"item":7,"took_ms":-1,"outcome":"reserved"}'],
    [traceparent("01"), '{"item":7,"took_ms":1,"outcome":"<b>"}'],
    [traceparent("01"), `{"item":7,"took_ms":1,"outcome":"${"a".repeat(300)}"}`],
  ])("no span is made of %j %s", async (header, body) => {
    await enter();
    await edge.settle();
    received = [];
    expect((await tell({ traceparent: header }, body)).status).toBe(400);
    await edge.settle();
    expect(received).toEqual([]);
  });

  test("a receiver that hangs or fails delays no answer, and what waits for it is bounded", async () => {
    let release: () => void = () => undefined;
    edge.otlp = () =>
      new Promise((resolve) => {
        release = () => resolve(new Response(null, { status: 503 }));
      });
    await enter();
    for (let n = 0; n < SPANS_MAX + 20; n += 1) expect((await buy("01")).status).toBe(200);
    release();
    await edge.settle();
    const lost = edge.log.filter(({ event }) => event === "spans_lost");
    expect(lost).toHaveLength(1);
    // The one on its way and those beyond the room; the others still wait.
    expect(lost[0]?.fields).toMatchObject({ lost: 21, reason: "the receiver answered 503" });
  });

  test("a refusal names the trace it belongs to", async () => {
    const refused = await edge.fetch("/v1/items/8/entry", {
      method: "POST",
      headers: { traceparent: traceparent("00") },
      body: '{"device":"device-1"}',
    });
    expect(await refused.json()).toMatchObject({ code: "not_found", trace_id: TRACE });
  });
});

test("with the switch at 0 a page's flag counts for nothing here", async () => {
  start(0);
  expect(await (await enter("01")).json()).not.toHaveProperty("traced");
  await buy("01");
  await tell({ traceparent: traceparent("01") }, '{"item":7,"took_ms":1,"outcome":"reserved"}');
  await edge.settle();
  expect(received).toEqual([]);
  expect(at_gateway()).toEqual([traceparent("01")]);
});

test("without a receiver a chosen purchase is chosen all the same", async () => {
  start(100, null);
  expect(await (await enter()).json()).toMatchObject({ traced: true });
  await edge.settle();
  expect(edge.seen.some(({ url }) => url.startsWith(OTLP))).toBe(false);
});

test("the share of the chosen is the switch's", () => {
  const ids = Array.from(
    { length: 1000 },
    (_, n) =>
      `${"a".repeat(18)}${Math.ceil((n / 1000) * 16 ** 7)
        .toString(16)
        .padStart(7, "0")}${"0".repeat(7)}`,
  );
  for (const percent of [0, 0.1, 5, 100]) {
    expect(ids.filter((id) => is_chosen(id, percent))).toHaveLength(percent * 10);
  }
});

test.each([
  "",
  "00",
  `01-${TRACE}-${PAGE_SPAN}-01`,
  `00-${"0".repeat(32)}-${PAGE_SPAN}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${PAGE_SPAN}-01`,
  `00-${TRACE}-${PAGE_SPAN}-01-more`,
  `00-${TRACE}-${PAGE_SPAN}-1`,
])("%j is no traceparent", (header) => {
  expect(read_traceparent(header)).toBeNull();
});
