"""The drill's hand on the fault proxy: faults set and cleared over its control port."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from typing import Any

from tests.drill.wires.faults import WireFault

TIMEOUT_S = 15.0
# Of the faults of this process, whoever sets them: next() is one step, also of several threads.
_NUMBERS = count(1)


class ProxyFailed(OSError):
    """The proxy does not answer, or does not understand."""


class Wires:
    """Each call a connection of its own, so that it outlives a proxy that was started anew."""

    def __init__(self, control_port: int) -> None:
        self._port = control_port

    @contextlib.contextmanager
    def broken(self, links: tuple[str, ...], fault: WireFault) -> Iterator[int]:
        """For as long as the block; gives how many open connections it hit."""
        name = f"fault-{next(_NUMBERS)}"
        try:
            yield sum(self.set(link, name, fault) for link in links)
        finally:
            for link in links:
                self.clear(link, name)

    def set(self, link: str, name: str, fault: WireFault) -> int:
        """Until it is cleared; how many open connections it is for."""
        return int(
            self._ask({"do": "set", "link": link, "name": name, "fault": asdict(fault)})["hit"]
        )

    def clear(self, link: str, name: str) -> None:
        """Idempotent."""
        self._ask({"do": "clear", "link": link, "name": name})

    def clear_all(self) -> None:
        """Every link as if nothing had been."""
        self._ask({"do": "clear_all"})

    def look(self) -> dict[str, Any]:
        """Of each link: open connections, names of faults, bytes moved each way."""
        return self._ask({"do": "look"})

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            with socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S) as sock:
                sock.sendall(json.dumps(asked).encode() + b"\n")
                answer: dict[str, Any] = json.loads(sock.makefile().readline())
        except (OSError, ValueError) as error:
            raise ProxyFailed(f"the fault proxy: {error}") from error
        if "error" in answer:
            raise ProxyFailed(f"the fault proxy does not understand {asked}: {answer['error']}")
        return answer
