"""Spans of the purchases that are followed, told to a receiver of OTLP (switch `trace_sampling`).

What is followed carries a W3C `traceparent` with its flag set; all else carries none, and whoever
meets none makes no span. Without a receiver (`SLUICE_OTLP_URL`) spans are handed on and told to
nobody, and OpenTelemetry is not even loaded. Nothing here waits for the receiver: spans lie in a
bounded queue, a thread of their own sends them, and what has no room is dropped and counted.
"""

import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Tracer as _Tracer

Attributes = Mapping[str, str | int | None]

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(5)
HEADER = "traceparent"

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# What an outbox line and a message of topic `reservations` carry (orders/line.py).
_TAIL = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")
_NONE = re.compile(r"00-(0{32}-.*|[0-9a-f]{32}-0{16}-.*)")
_SAMPLED = 1

# Of the request that is answered here, followed or not: for log lines and problem documents.
current_trace_id: ContextVar[str] = ContextVar("current_trace_id", default="")

_url, _service = "", ""


def configure(url: str, service: str) -> None:
    """Where spans go, "" for nowhere, and as whose. Connects to nothing and loads nothing."""
    global _url, _service
    _url, _service = url, service
    _tracer.cache_clear()


def followed(traceparent: str | bytes | None) -> str:
    """The traceparent when it is right and its flag is set, else ""."""
    if isinstance(traceparent, bytes):
        traceparent = traceparent.decode("latin-1")
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or _NONE.fullmatch(match[0]) or not int(match[3], 16) & _SAMPLED:
        return ""
    return match[0]


def of_tail(tail: Any) -> str:
    """The traceparent of "trace-span", "" of anything else."""
    is_one = isinstance(tail, str) and _TAIL.fullmatch(tail) is not None
    return followed(f"00-{tail}-01") if is_one else ""


def trace_id_of(traceparent: str | None) -> str:
    """Its trace, whether it is followed or not; "" of what is none."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return "" if match is None or _NONE.fullmatch(match[0]) else match[1]


def new_trace_id() -> str:
    """For a request that came without one."""
    return secrets.token_hex(16)


class Span:
    """Something that begins now and ends once; `traceparent` is what its children are told."""

    def __init__(self, span: Any, traceparent: str) -> None:
        self._span = span
        self.traceparent = traceparent

    @property
    def trace_id(self) -> str:
        """Of the whole trace."""
        return trace_id_of(self.traceparent)

    def note(self, **attributes: str | int | None) -> None:
        """More of what is known; dots are written as double underscores."""
        if self._span is not None:
            self._span.set_attributes(
                _known({name.replace("__", "."): value for name, value in attributes.items()})
            )

    def end(self, error: str = "") -> None:
        """It is over; `error` says why it failed. A span that is never ended is told to nobody."""
        if self._span is None:
            return
        if error:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


def begin(
    name: str,
    parent: str,
    kind: int = INTERNAL,
    attributes: Attributes | None = None,
    *,
    begun_ns: int | None = None,
) -> Span:
    """A span below `parent`, a traceparent that `followed` has let through."""
    tracer = _tracer()
    if tracer is None:
        return Span(None, parent)
    from opentelemetry import trace

    match = _TRACEPARENT.fullmatch(parent)
    assert match is not None, parent
    above = trace.SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=trace.TraceFlags(_SAMPLED)
    )
    span = tracer.start_span(
        name,
        context=trace.set_span_in_context(trace.NonRecordingSpan(above)),
        kind=list(trace.SpanKind)[kind],
        attributes=_known(attributes or {}),
        start_time=begun_ns or time.time_ns(),
    )
    own = span.get_span_context()
    return Span(span, f"00-{own.trace_id:032x}-{own.span_id:016x}-01")


def warm() -> None:
    """Load what spans need, where they go anywhere: it takes a good part of a second."""
    _tracer()


def flush() -> None:
    """Send what waits; for tests and for the end of short processes. Blocking."""
    tracer = _tracer()
    if tracer is not None:
        _provider().force_flush()


def _known(attributes: Attributes) -> dict[str, str | int]:
    return {name: value for name, value in attributes.items() if value is not None}


@lru_cache(maxsize=1)
def _tracer() -> "_Tracer | None":
    return _provider().get_tracer("sluice") if _url else None


@lru_cache(maxsize=1)
def _provider() -> Any:
    from control_plane.config.span_export import provider

    return provider(
        _url,
        {
            "service.name": f"sluice-{_service}",
            "service.namespace": "sluice",
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        },
    )
