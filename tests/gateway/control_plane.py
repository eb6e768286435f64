"""A stand-in for the control plane: signs snapshots, answers long polls, reserves in a Database.

Whatever is not internal is answered by its Pages.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.gateway.console.pages import METHODS, Pages
from tests.gateway.database import Database
from tests.redis.ports import free_port

SNAPSHOT_KEY = "snapshot-key-of-the-tests-0123456789"
INTERNAL_TOKEN = "internal-token-of-the-tests-0123456789"

Json = dict[str, Any]


def envelope(document: Json, key: str = SNAPSHOT_KEY) -> bytes:
    """A document as it travels and as the gateway keeps it on disk."""
    body = json.dumps(document)
    mac = hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
    return json.dumps({"version": document["version"], "mac": mac, "body": body}).encode()


class ControlPlane:
    """Serves the newest of what was published, and `database`, to whoever has the token."""

    def __init__(self) -> None:
        self.port = free_port()
        self.polls: list[int] = []  # the `after` of each poll that was let in
        self.waits_ms: list[int] = []  # how long each was ready to wait
        self.heartbeats: list[Json] = []
        self.database = Database()
        self.pages = Pages("blue")
        self._going_on = threading.Event()
        self._going_on.set()
        self._channel_status: int | None = None
        self._latest: tuple[int, bytes] = (0, b"")
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """As SLUICE_CONTROL_PLANE_URL has it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to answer."""
        plane = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

        def do(request: Handler) -> None:
            plane._answer(request)

        for method in METHODS:
            setattr(Handler, f"do_{method}", do)
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Hang up on everybody and refuse connections."""
        if not self._server:
            return
        server, self._server = self._server, None
        with self._changed:
            self._changed.notify_all()
        server.shutdown()
        server.server_close()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Inside it takes connections and requests, and answers none."""
        self._going_on.clear()
        try:
            yield
        finally:
            self._going_on.set()

    @contextmanager
    def silent_channel(self) -> Iterator[None]:
        """Inside there are no snapshots to be had; all else is answered."""
        self._channel_status = 503
        try:
            yield
        finally:
            self._channel_status = None

    def publish(self, document: Json) -> None:
        """Make `document` the newest; its version must be higher than before."""
        self.publish_bytes(document["version"], envelope(document))

    def publish_bytes(self, version: int, sent: bytes) -> None:
        """Send these bytes to whoever has seen less than `version`."""
        with self._changed:
            self._latest = (version, sent)
            self._changed.notify_all()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if not request.path.startswith("/internal/"):
            self.pages.answer(request)
            return
        answer = self._decide(request)
        self._going_on.wait()
        if answer is None:
            return  # hangs up
        status, body = answer
        try:
            request.send_response(status)
            if status not in (204, 304):
                request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            pass  # the gateway was stopped while it waited

    def _decide(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes] | None:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if request.headers.get("Authorization") != f"Bearer {INTERNAL_TOKEN}":
            return 401, b"{}"
        if url.path == "/internal/reserve" and request.command == "POST":
            sent = request.rfile.read(int(request.headers["Content-Length"]))
            return self.database.answer(sent)
        if url.path == "/internal/heartbeat" and request.command == "POST":
            sent = request.rfile.read(int(request.headers["Content-Length"]))
            self.heartbeats.append(json.loads(sent))
            return 204, b""
        if url.path.startswith("/internal/reservations/"):
            return self.database.status(url.path.rsplit("/", 1)[1], query["shopper"])
        if url.path != "/internal/snapshot" or query.get("audience") != "gateway":
            return 404, b"{}"
        if self._channel_status:
            return self._channel_status, b"{}"
        self.waits_ms.append(int(query["wait_ms"]))
        after, wait_s = int(query["after"]), int(query["wait_ms"]) / 1000
        assert 0 <= wait_s <= 25, "the contract's longest wait is 25 s"
        with self._changed:
            self.polls.append(after)
            self._changed.wait_for(lambda: self._latest[0] > after or not self._server, wait_s)
            version, sent = self._latest
        return (200, sent) if version > after else (304, b"")
