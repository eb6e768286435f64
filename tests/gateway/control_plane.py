"""A stand-in for the control plane's snapshot channel: signs documents, answers long polls."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    """Serves the newest of what was published, to whoever has the token."""

    def __init__(self) -> None:
        self.port = free_port()
        self.polls: list[int] = []  # the `after` of each poll that was let in
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
            def do_GET(self) -> None:
                plane._answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

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

    def publish(self, document: Json) -> None:
        """Make `document` the newest; its version must be higher than before."""
        self.publish_bytes(document["version"], envelope(document))

    def publish_bytes(self, version: int, sent: bytes) -> None:
        """Send these bytes to whoever has seen less than `version`."""
        with self._changed:
            self._latest = (version, sent)
            self._changed.notify_all()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        status, body = self._decide(request)
        try:
            request.send_response(status)
            if status != 304:
                request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            pass  # the gateway was stopped while it waited

    def _decide(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if request.headers.get("Authorization") != f"Bearer {INTERNAL_TOKEN}":
            return 401, b"{}"
        if url.path != "/internal/snapshot" or query.get("audience") != "gateway":
            return 404, b"{}"
        after, wait_s = int(query["after"]), int(query["wait_ms"]) / 1000
        assert 0 <= wait_s <= 25, "the contract's longest wait is 25 s"
        with self._changed:
            self.polls.append(after)
            self._changed.wait_for(lambda: self._latest[0] > after or not self._server, wait_s)
            version, sent = self._latest
        return (200, sent) if version > after else (304, b"")
