"""A merchant's server: real HTTP or HTTPS on a port of its own, that does what a test tells it."""

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

# A test that hangs says so.
HELD_S = 20.0


class Heard(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """Its body, read."""
        read: dict[str, Any] = json.loads(self.body)
        return read


class MerchantServer:
    """`answers` says what the next request gets; everything heard stands in `heard`."""

    def __init__(self, address: str, tls: ssl.SSLContext | None) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], Any] = lambda _: 200
        # Set by a test that is done with a server that keeps its callers waiting.
        self.let_go = threading.Event()
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer((address, 0), self._handler())
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]

    def hold(self, _: Heard) -> int:
        """An answer that comes once the test lets go."""
        self.let_go.wait(HELD_S)
        return 200

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Where it hears of orders."""
        return f"{scheme}://{host}:{self.port}/hooks?shop=1"

    def ids(self) -> list[str]:
        """The event ids in the order in which they came."""
        return [one.event["id"] for one in self.heard]

    def types(self, reservation_id: str) -> list[str]:
        """What it heard of a reservation, in order."""
        events = [one.event for one in self.heard]
        ours = [one for one in events if one["data"].get("reservation_id") == reservation_id]
        return [one["type"] for one in ours]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        merchant = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                one = Heard(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                with merchant._lock:
                    merchant.heard.append(one)
                    merchant.under_way += 1
                    merchant.most_under_way = max(merchant.most_under_way, merchant.under_way)
                try:
                    said = merchant.answer(one)
                finally:
                    with merchant._lock:
                        merchant.under_way -= 1
                if isinstance(said, bytes):
                    self.wfile.write(said)
                    self.close_connection = True
                    return
                status, headers, text = said if isinstance(said, tuple) else (said, {}, b"ok")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Tests look at `heard`."""

        return Handler


@contextmanager
def serving(
    address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[MerchantServer]:
    """A server until the block ends."""
    merchant = MerchantServer(address, tls)
    thread = threading.Thread(target=merchant.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield merchant
    finally:
        merchant.let_go.set()
        merchant.server.shutdown()
        merchant.server.server_close()
        thread.join(HELD_S)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server of this name, and for a client that trusts it."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
        "-addext",
        f"subjectAltName=DNS:{name}",
    ]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))
