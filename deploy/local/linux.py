"""What /proc tells: who listens on a port, who lives in a session, what a pid runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
# 127.0.0.1, 0.0.0.0, ::, ::1 and ::ffff:127.0.0.1 as /proc/net/tcp* writes them.
_OUR_ADDRESSES = {
    "0100007F",
    "00000000",
    "0" * 32,
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}


@dataclass(frozen=True)
class Listener:
    """A process that listens on a port; pid 0 when it belongs to a user we may not look at."""

    port: int
    pid: int
    uid: int

    def __str__(self) -> str:
        """For the message that refuses the port."""
        if not self.pid:
            return f"port {self.port} is taken by a process of uid {self.uid}"
        return f"port {self.port} is taken by pid {self.pid} ({command_line(self.pid)[:80]})"


def pids() -> Iterator[int]:
    """All processes of this pid namespace."""
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] != "Z"


def command_line(pid: int) -> str:
    """Arguments joined by blanks; empty when gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def working_folder(pid: int) -> Path | None:
    """Where the process works; None when it is gone or another user's."""
    try:
        return (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None


def session_members(session: int) -> list[int]:
    """Living processes of a session. The kernel gives its number to nobody while one lives."""
    return [pid for pid in pids() if (f := _stat(pid)) and f[0] != "Z" and int(f[3]) == session]


def listeners(ports: set[int]) -> list[Listener]:
    """Who listens on any of `ports` of this machine's loopback."""
    sockets: dict[str, tuple[int, int]] = {}
    for table in ("tcp", "tcp6"):
        path = _PROC / "net" / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTEN and int(port, 16) in ports and address in _OUR_ADDRESSES:
                sockets[f"socket:[{fields[9]}]"] = (int(port, 16), int(fields[7]))
    owners = _socket_owners(set(sockets)) if sockets else {}
    found = {Listener(port, owners.get(name, 0), uid) for name, (port, uid) in sockets.items()}
    return sorted(found, key=lambda listener: listener.port)  # one line where workers share a port


def _socket_owners(names: set[str]) -> dict[str, int]:
    """Lowest pid that holds each socket: the master, where workers inherited it."""
    owners: dict[str, int] = {}
    for pid in sorted(pids()):
        try:
            for descriptor in (_PROC / str(pid) / "fd").iterdir():
                target = str(descriptor.readlink())
                if target in names:
                    owners.setdefault(target, pid)
        except OSError:
            continue  # gone meanwhile, or another user's
    return owners


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat after the name: state, parent, group, session, …"""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
