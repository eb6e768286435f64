"""OpenTelemetry's SDK, loaded with the first span of a process that has a receiver."""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from control_plane.metrics.registry import counter

# What waits while the receiver is slow; beyond it the oldest are dropped.
QUEUE_MAX = 2048
BATCH_MAX = 512
EVERY_MS = 1000
# One call, its retries included. The end of a process waits for two of them.
TIMEOUT_S = 2

SPANS = counter("sluice_spans_total")


class _Counted(SpanExporter):
    """The exporter; a receiver that is away costs spans and nothing else."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the one inside, counted."""
        result = self._inner.export(spans)
        taken = result is SpanExportResult.SUCCESS
        SPANS.labels("sent" if taken else "lost").inc(len(spans))
        return result

    def shutdown(self) -> None:
        """As the one inside."""
        self._inner.shutdown()


def provider(url: str, resource: dict[str, str]) -> TracerProvider:
    """Whose spans have a parent that is followed; all others are dropped at once."""
    made = TracerProvider(sampler=ParentBased(ALWAYS_OFF), resource=Resource(resource))
    exporter = _Counted(OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", timeout=TIMEOUT_S))
    made.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE_MAX,
            schedule_delay_millis=EVERY_MS,
            max_export_batch_size=BATCH_MAX,
        )
    )
    return made
