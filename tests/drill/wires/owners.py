"""Whose a TCP connection of this machine is: the command line of the process that holds it."""

import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


class Owners:
    """Looks among those that had connections before, then among all: that takes a while.

    For one thread at a time. A process that dies is forgotten when it is not found.
    """

    def __init__(self) -> None:
        self._known: list[str] = []  # pids, the newest last

    def command_of(self, port: int, peer_port: int) -> str:
        """Of who connects from 127.0.0.1:`port` to `peer_port`; empty when nobody does any more."""
        inode = _inode(port, peer_port)
        if not inode:
            return ""
        wanted = f"socket:[{inode}]"
        for pid in reversed(self._known):
            if _holds(pid, wanted):
                return _command(pid)
        for entry in os.scandir(_PROC):
            if entry.name.isdigit() and _holds(entry.name, wanted):
                self._known = [pid for pid in self._known if (_PROC / pid).exists()]
                self._known.append(entry.name)
                return _command(entry.name)
        return ""


def _command(pid: str) -> str:
    with suppress(OSError):
        return (_PROC / pid / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def _inode(port: int, peer_port: int) -> str:
    """From the kernel's table: local address, remote address, …, inode."""
    local, remote = f":{port:04X}", f":{peer_port:04X}"
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(local) and fields[2].endswith(remote):
                    return fields[9]
    return ""


def _holds(pid: str, wanted: str) -> bool:
    with suppress(OSError):
        for one in os.scandir(_PROC / pid / "fd"):
            with suppress(OSError):
                if os.readlink(one.path) == wanted:  # noqa: PTH115  # a third of the time
                    return True
    return False
