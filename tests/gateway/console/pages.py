"""What one version of the control plane shows people, and everything it was asked."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.redis.ports import free_port

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO")


@dataclass(frozen=True)
class Seen:
    """A request as it arrived behind the console; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Pages:
    """Answers every request with its own name; records it first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Seen] = []
        self.status = 200
        self.probe_status: int | None = None  # of /readyz, where it differs
        self.headers: dict[str, str] = {}
        self.hangs_up = False  # after it has read the request

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Read all of a request, remember it, answer it."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.command, request.path, headers, body))
        if self.hangs_up:
            return
        text = json.dumps({"version": self.name}).encode()
        probed = self.probe_status if request.path == "/readyz" else None
        request.send_response(self.status if probed is None else probed)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(text)


class Green:
    """A second version with a server of its own; it keeps its port when it comes back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.pages = Pages("green")
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """As SLUICE_CONTROL_PLANE_GREEN_URL has it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to answer; nothing when it does already."""
        if self._server:
            return
        green = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

        def do(request: Handler) -> None:
            green.pages.answer(request)

        for method in METHODS:
            setattr(Handler, f"do_{method}", do)
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
