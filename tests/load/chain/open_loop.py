"""An open-loop HTTP client: every request has its time, and latency counts from that time.

Whatever the answers are like, the next request is due when it is due. When all connections are
waiting, a due request waits for one, and this wait is in its latency: a server that stands still
for a second is seen by everybody who came in that second, not by one (coordinated omission).
`late_ms` is what this client itself was late: it looked at a request only so long after its time.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import cast

TICK_S = 0.002
CONNECTIONS = 512
REFUSED_S = 0.1
# Who is asked for nothing any more is given up: unknown, not refused.
GIVE_UP_S = 20.0
NO_ANSWER = 0
_HEAD_END, _LENGTH = b"\r\n\r\n", b"\r\ncontent-length:"


@dataclass(slots=True)
class Answer:
    """What came of one request; `status` 0: no answer, so nobody knows."""

    status: int
    body: bytes
    due: float
    answered: float

    @property
    def ms(self) -> float:
        """Latency as somebody felt it who clicked when he meant to."""
        return (self.answered - self.due) * 1000


Heard = Callable[[Answer], None]


@dataclass(slots=True)
class _Request:
    due: float
    wire: bytes
    heard: Heard


class OpenLoop:
    """Requests to one port, by the running loop's clock. `plan` before and while `run` runs."""

    def __init__(self, port: int, connections: int = CONNECTIONS) -> None:
        self._port, self._most = port, connections
        self._planned: list[tuple[float, int, _Request]] = []
        self._numbers = count()
        self._due: deque[_Request] = deque()
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._attempts: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._unanswered = 0
        self.late_ms: list[float] = []

    def plan(self, due: float, wire: bytes, heard: Heard) -> None:
        """Send `wire` at `due`; `heard` is told the answer, once."""
        self._unanswered += 1
        heapq.heappush(self._planned, (due, next(self._numbers), _Request(due, wire, heard)))

    async def run(self) -> None:
        """Until all that was planned has its answer, or is given up `GIVE_UP_S` after the last."""
        loop = asyncio.get_running_loop()
        last_due = loop.time()
        while self._unanswered and loop.time() < last_due + GIVE_UP_S:
            now = loop.time()
            while self._planned and self._planned[0][0] <= now:
                request = heapq.heappop(self._planned)[2]
                self.late_ms.append((now - request.due) * 1000)
                self._due.append(request)
            if self._planned:
                last_due = max(last_due, self._planned[0][0])
            self._send()
            await asyncio.sleep(TICK_S)
        for attempt in self._attempts:
            attempt.cancel()
        for connection in list(self._open):
            connection.close()
        while self._due:
            self._answer(self._due.popleft(), NO_ANSWER, b"")

    def _send(self) -> None:
        while self._due and self._idle:
            self._idle.pop().send(self._due.popleft())
        room = self._most - len(self._open) - self._opening
        for _ in range(min(len(self._due) - self._opening, room)):
            self._opening += 1
            task = asyncio.ensure_future(self._connect())
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError:
            # What is due waits, and its latency counts; nobody is helped by a storm of attempts.
            await asyncio.sleep(REFUSED_S)
        finally:
            self._opening -= 1

    def _answer(self, request: _Request, status: int, body: bytes) -> None:
        self._unanswered -= 1
        now = asyncio.get_running_loop().time()
        request.heard(Answer(status, body, request.due, now))

    def _is_ready(self, connection: "_Connection") -> None:
        self._open.add(connection)
        if self._due:
            connection.send(self._due.popleft())
        else:
            self._idle.append(connection)

    def _is_lost(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


class _Connection(asyncio.Protocol):
    """One request at a time; kept as long as the server keeps it."""

    def __init__(self, owner: OpenLoop) -> None:
        self._owner = owner
        self._request: _Request | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._owner._is_ready(self)

    def send(self, request: _Request) -> None:
        """Only when idle."""
        self._request, self._got = request, b""
        self._transport.write(request.wire)

    def close(self) -> None:
        """Whatever is unanswered then stays unknown."""
        self._transport.abort()
        self._finish(NO_ANSWER, b"")

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_end = self._got.find(_HEAD_END)
        if head_end < 0:
            return
        head = self._got[: head_end + 2].lower()
        try:
            at = head.index(_LENGTH) + len(_LENGTH)
            end = head_end + len(_HEAD_END) + int(head[at : head.index(b"\r\n", at)])
            status = int(head[9:12])
        except ValueError:
            # Where it ends nobody knows, nor what came of the request.
            self.close()
            return
        if len(self._got) < end:
            return
        self._finish(status, self._got[head_end + len(_HEAD_END) : end])
        if b"\r\nconnection: close" in head or self._transport.is_closing():
            self._transport.close()
        else:
            self._owner._is_ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner._is_lost(self)
        self._finish(NO_ANSWER, b"")

    def _finish(self, status: int, body: bytes) -> None:
        request, self._request = self._request, None
        if request:
            self._owner._answer(request, status, body)
