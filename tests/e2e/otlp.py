"""A receiver of OTLP/HTTP: takes spans as protobuf and as JSON, and can be slow or refuse."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

TRACES = "/v1/traces"
_KINDS = ("", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True)
class Span:
    """One span, as text."""

    service: str
    trace: str
    id: str
    parent: str
    name: str
    kind: str
    begun_ns: int
    ended_ns: int
    attributes: dict[str, str | int]

    @property
    def what(self) -> str:
        """Who did what."""
        return f"{self.service}: {self.name}"


@dataclass
class Receiver:
    """What has come in. While `open` is cleared every call hangs; `status` is what is answered."""

    url: str = ""
    status: int = 200
    calls: int = 0
    spans: list[Span] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def of(self, trace: str) -> list[Span]:
        """A whole trace."""
        return [span for span in self.spans if span.trace == trace]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver at a port, any free one for 0."""
    receiver = Receiver()
    receiver.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.calls += 1
            receiver.open.wait()
            kind = self.headers["content-type"]
            try:
                assert self.path == TRACES, self.path
                if receiver.status == 200:
                    receiver.spans += read(kind, body)
            except Exception as error:  # noqa: BLE001  (the test says what it was)
                receiver.wrong.append(f"{kind}: {error!r}")
            self.send_response(receiver.status)
            self.send_header("content-type", kind)
            answer = b"{}" if kind == "application/json" else b""
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever waited too long has gone."""

    server = Server(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.shutdown()
        server.server_close()
        thread.join()


def read(kind: str, body: bytes) -> list[Span]:
    """The spans of a call; raises for what is not OTLP."""
    request = ExportTraceServiceRequest()
    if kind == "application/json":
        json_format.Parse(_ids_in_base64(body), request)
    elif kind == "application/x-protobuf":
        request.ParseFromString(body)
    else:
        raise ValueError("no OTLP")
    found = []
    for resource in request.resource_spans:
        service = str(_values(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            found += [
                Span(
                    service,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    _KINDS[span.kind],
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _values(span.attributes),
                )
                for span in scope.spans
            ]
    return found


def _ids_in_base64(body: bytes) -> str:
    """OTLP writes ids as hexadecimal digits, where protobuf's JSON has base64."""
    document = json.loads(body)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json.dumps(document)


def _values(attributes: "list[KeyValue]") -> dict[str, str | int]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> str | int:
    return value.int_value if value.HasField("int_value") else value.string_value
