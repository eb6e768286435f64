"""Whose a TCP connection of this machine is: the command line of the process that holds it."""

import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def command_of(port: int, peer_port: int) -> str:
    """Of who connects from 127.0.0.1:`port` to `peer_port`; empty when nobody does any more."""
    inode = _inode(port, peer_port)
    if not inode:
        return ""
    wanted = f"socket:[{inode}]"
    for process in _PROC.iterdir():
        if process.name.isdigit() and _holds(process, wanted):
            with suppress(OSError):
                return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
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


def _holds(process: Path, wanted: str) -> bool:
    with suppress(OSError):
        for one in os.scandir(process / "fd"):
            with suppress(OSError):
                if os.readlink(one.path) == wanted:  # noqa: PTH115  # a third of the time
                    return True
    return False
