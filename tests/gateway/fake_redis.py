"""A stock Redis that says what it is told to, for what a real one cannot be brought to say."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tests.redis.ports import free_port


class FakeRedis:
    """Answers AUTH, and CLUSTER SLOTS with `owner` for every slot; `said` to everything else."""

    def __init__(self, owner: int | None = None) -> None:
        self.port = free_port()
        self.owner = owner or self.port
        self.said = b"-ERR nothing was told to be said\r\n"
        # What follows on the same connection, and what must happen first.
        self.rest: tuple[threading.Event, bytes] | None = None
        self.connections = 0
        self.map_read_at = 0.0
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """host:port, as SLUICE_STOCK_REDIS has it."""
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator["FakeRedis"]:
        """It listens as long as this lasts."""
        with socket.create_server(("127.0.0.1", self.port)) as server:
            thread = threading.Thread(target=self._accept, args=(server,), daemon=True)
            thread.start()
            yield self
            server.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # The gateway hangs up on what it cannot read.
        is_counted = False
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while words := self._read(lines):
                self.asked.append(words[0])
                if words[0] == "EVALSHA" and not is_counted:
                    is_counted = True
                    self.connections += 1
                reply = self._reply(words)
                if not reply:
                    return  # hangs up
                rest = self.rest if words[0] == "EVALSHA" else None
                connection.sendall(reply)
                if rest:
                    rest[0].wait()
                    connection.sendall(rest[1])

    def _reply(self, words: list[str]) -> bytes:
        if words[0] == "AUTH":
            return b"+OK\r\n"
        if words[0] == "PING":
            return b"+PONG\r\n"  # it lives, whatever it says to purchases
        if words[:2] == ["CLUSTER", "SLOTS"]:
            self.map_read_at = time.monotonic()
            node = f"*3\r\n$9\r\n127.0.0.1\r\n:{self.owner}\r\n$2\r\nid\r\n"
            return f"*1\r\n*3\r\n:0\r\n:16383\r\n{node}".encode()
        return self.said

    def _read(self, lines: BinaryIO) -> list[str]:
        head = lines.readline()
        if not head:
            return []
        words = []
        for _ in range(int(head[1:])):
            size = int(lines.readline()[1:])
            words.append(lines.read(size + 2)[:-2].decode())
        return words
