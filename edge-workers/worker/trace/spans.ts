/**
 * Spans on their way to a receiver of OTLP/HTTP (JSON, opentelemetry.io/docs/specs/otlp).
 *
 * They are sent behind the answer (`waitUntil`), those of several requests in one call, by whichever
 * request came when nothing was on its way. No request waits for it; what has no room is dropped.
 */

import type { Log } from "../env/log.ts";
import type { WaitUntil } from "../snapshot/store.ts";

export const SPANS_MAX = 500;
const A_CALL_MAX = 100;
const TIMEOUT_MS = 2_000;
/** After a call that failed, what comes meanwhile waits, as far as there is room. */
const RETRY_MS = 5_000;

/** SpanKind of OTLP. */
export const INTERNAL = 1;
export const SERVER = 2;

export interface Span {
  /** Who did it: `sluice-edge`, or `sluice-sdk` for whom the edge speaks. */
  service: string;
  trace_id: string;
  span_id: string;
  /** Null: the trace begins here. */
  parent_id: string | null;
  name: string;
  kind: number;
  begun_ms: number;
  ended_ms: number;
  attributes: Readonly<Record<string, string | number>>;
}

export interface SpansOptions {
  /** Origin of the receiver; null: spans are nobody's. */
  otlp_url: string | null;
  instance: string;
  clock: () => number;
  fetch: typeof fetch;
  log: Log;
}

export class Spans {
  readonly #options: SpansOptions;
  #waiting: Span[] = [];
  #is_sending = false;
  #retry_ms = 0;
  #dropped = 0;

  constructor(options: SpansOptions) {
    this.#options = options;
  }

  /** Takes a span along. Never waits, never throws. */
  take(span: Span, wait_until: WaitUntil): void {
    if (this.#options.otlp_url === null) return;
    if (this.#waiting.length >= SPANS_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(span);
    if (this.#is_sending || this.#options.clock() < this.#retry_ms) return;
    this.#is_sending = true;
    wait_until(this.#send_all());
  }

  async #send_all(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const some = this.#waiting.splice(0, A_CALL_MAX);
        try {
          await this.#send(some);
        } catch (error) {
          this.#retry_ms = this.#options.clock() + RETRY_MS;
          const reason = error instanceof Error ? error.message : String(error);
          const lost = some.length + this.#dropped;
          this.#dropped = 0;
          this.#options.log("warn", "spans_lost", { lost, reason });
          return;
        }
      }
    } finally {
      this.#is_sending = false;
    }
  }

  async #send(spans: readonly Span[]): Promise<void> {
    const { otlp_url, fetch } = this.#options;
    const response = await fetch(`${otlp_url}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(this.#request_of(spans)),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.status !== 200) throw new Error(`the receiver answered ${response.status}`);
  }

  #request_of(spans: readonly Span[]): object {
    const services = [...new Set(spans.map(({ service }) => service))];
    const resourceSpans = services.map((service) => ({
      resource: {
        attributes: attributes_of({
          "service.name": service,
          "service.namespace": "sluice",
          "service.instance.id": this.#options.instance,
        }),
      },
      scopeSpans: [
        {
          scope: { name: service },
          spans: spans.filter((span) => span.service === service).map(otlp_span),
        },
      ],
    }));
    return { resourceSpans };
  }
}

function otlp_span(span: Span): object {
  return {
    traceId: span.trace_id,
    spanId: span.span_id,
    ...(span.parent_id === null ? {} : { parentSpanId: span.parent_id }),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanoseconds(span.begun_ms),
    endTimeUnixNano: nanoseconds(span.ended_ms),
    attributes: attributes_of(span.attributes),
    flags: 1,
  };
}

/** As digits: a number of that size is not exact. */
const nanoseconds = (ms: number) => `${Math.round(ms)}000000`;

function attributes_of(attributes: Readonly<Record<string, string | number>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value },
  }));
}
