"""Whether a worker does its work: what `/readyz` says beside `/metrics`, and the gauge.

A worker that is not ready is reported, never ended for it: what it waits for comes back without it.
"""

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from workers.runtime import metrics
from workers.runtime.clock import Clock

# Every loop reports at least every second unless it waits for something that is down.
SILENT_AFTER_S = 15.0


class Readiness:
    """The last word of each part of a process. Any thread may report; parts are named once."""

    def __init__(self, clock: Clock, parts: Iterable[str]) -> None:
        self._clock = clock
        self._words: dict[str, tuple[float, str | None]] = {}
        for part in parts:
            self.report(part, "it has not begun")
        metrics.WORKER_READY.set_function(lambda: not self.problem())

    def report(self, part: str, problem: str | None = None) -> None:
        """A turn of this part succeeded, or failed for this reason."""
        self._words[part] = (self._clock.monotonic(), problem)

    def problem(self) -> str | None:
        """Why the process does not work, None when all of it does."""
        now = self._clock.monotonic()
        for part, (at, problem) in list(self._words.items()):
            if problem:
                return f"{part}: {problem}"
            if now - at > SILENT_AFTER_S:
                return f"{part}: nothing done for {now - at:.0f} s"
        return None


def serve(readiness: Readiness, address: str, port: int) -> None:
    """`/readyz` (200, or 503 with the reason) and the metrics, in a thread of their own."""
    figures: Callable[..., Iterable[bytes]] = make_wsgi_app()

    def answer(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/readyz":
            return figures(environ, start_response)
        problem = readiness.problem()
        status = "503 Service Unavailable" if problem else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{problem or 'ready'}\n".encode()]

    server = make_server(address, port, answer, _Server, handler_class=_Silent)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """A scrape is no news."""
