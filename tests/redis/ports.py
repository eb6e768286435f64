"""Free ports for the private servers of a test run."""

import os
import socket
from collections.abc import Iterator

# Below the ports Linux gives to outgoing connections, and away from every profile of the stack.
FIRST, LAST = 24_000, 24_999


def _candidates() -> Iterator[int]:
    # Two runs on one machine begin at different places.
    offset = os.getpid() * 37
    for step in range(LAST - FIRST + 1):
        yield FIRST + (offset + step) % (LAST - FIRST + 1)


_unused = _candidates()


def free_port() -> int:
    """A port nobody listens on; never handed out twice."""
    for port in _unused:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port is free from {FIRST} to {LAST}")
