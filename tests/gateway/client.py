"""Speaking HTTP to a gateway: politely, several at once, or byte by byte."""

import json
import select
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any

# Far above every limit of the gateway: only a hung one meets it.
TIMEOUT_S = 20.0

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """One response; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)

    @property
    def outcome(self) -> str:
        """The outcome's word, of a purchase or of a refusal."""
        document = self.json
        return str(document.get("outcome") or document.get("code"))

    @property
    def everything(self) -> str:
        """All that the client can see, for looking for what it must not."""
        return f"{self.status} {self.headers} {self.body.decode(errors='replace')}"


class Pending:
    """A request that was sent; `answer` waits for the response."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def is_answered(self) -> bool:
        """Whether something has come back."""
        return bool(select.select([self._connection.sock], [], [], 0)[0])

    def answer(self) -> Answer:
        """The response; the connection is closed. Raises OSError or HTTPException without one."""
        try:
            return _read(self._connection.getresponse())
        finally:
            self._connection.close()


def send(
    port: int,
    method: str,
    path: str,
    headers: Headers | None = None,
    body: bytes | None = None,
    source: str = "",
) -> Pending:
    """Send a request on a new connection, from the address `source`, and do not wait."""
    mine = (source, 0) if source else None
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S, source_address=mine)
    connection.request(method, path, body, dict(headers or {}))
    return Pending(connection)


class Connection:
    """A connection that is kept, for many requests one after the other."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def ask(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> Answer:
        """Send a request and wait for the response."""
        self._connection.request(method, path, body, dict(headers))
        return _read(self._connection.getresponse())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def get(port: int, path: str, headers: Headers | None = None) -> Answer:
    """GET on a new connection."""
    return send(port, "GET", path, headers).answer()


def speak(port: int, *parts: bytes) -> list[Answer]:
    """Send bytes as they are, then nothing more; every response until the gateway hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as sock:
        answers = []
        try:
            for part in parts:
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            while answer := _next(sock):
                answers.append(answer)
        except (BrokenPipeError, ConnectionResetError):
            pass  # hung up in the middle of our words, which is an answer too
        return answers


def request_text(method: str, path: str, headers: Iterable[str], body: bytes = b"") -> bytes:
    """An HTTP/1.1 request with exactly these header lines."""
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.example", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _next(sock: socket.socket) -> Answer | None:
    if not sock.recv(1, socket.MSG_PEEK):
        return None
    response = HTTPResponse(_Unbuffered(sock))  # type: ignore[arg-type]
    response.begin()
    return _read(response)


def _read(response: HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


class _Unbuffered:
    """Makes HTTPResponse take no byte beyond its own response."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> Any:
        return self._sock.makefile("rb", buffering=0)
