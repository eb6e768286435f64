"""Three zones as network namespaces, joined by a bridge that stands in a fourth: the street.

The street is our own namespace (`make zones` begins with `unshare`), so nothing of it is seen from
the machine or reaches it, and all of it is gone with the last process, however that ended.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ZONES = ("a", "b", "c")
# RFC 2544: for tests of networks. Zones talk to each other in the first; shoppers and gateways in
# the second, which has no other use.
INSIDE, OUTSIDE = "198.18.0", "198.18.1"
STREET = 254
HOLDER = ("unshare", "--net", "sleep", "infinity")
DEADLINE_S = 10.0
_DEVICES = Path("/proc/net/dev")


def inside(zone: str) -> str:
    """The address of a zone to the other zones, and to whoever runs the stack."""
    return f"{INSIDE}.{ZONES.index(zone) + 1}"


def outside(zone: str) -> str:
    """The address of a zone to shoppers."""
    return f"{OUTSIDE}.{ZONES.index(zone) + 1}"


class NotAlone(Exception):
    """This process shares its network with others: everything here would be done to theirs."""


class Network:
    """The wires. Frames of a zone that is cut off go nowhere: no refusal, no ICMP, no carrier lost.

    Every neighbour's hardware address is written down beforehand: what is unplugged stays silent,
    as behind a router that is gone, instead of being reported unreachable after three seconds.
    """

    def __init__(self) -> None:
        self._holders: dict[str, subprocess.Popen[bytes]] = {}

    @contextmanager
    def laid(self) -> Iterator["Network"]:
        """Namespaces, bridges and wires, as long as the block. Raises NotAlone."""
        devices = [line.split(":")[0].strip() for line in _DEVICES.read_text().splitlines()[2:]]
        if devices != ["lo"]:
            raise NotAlone("run it as `make zones` does: unshare --net --pid --fork …")
        try:
            _ip("link", "set", "lo", "up")
            for wire, prefix in (("in", INSIDE), ("out", OUTSIDE)):
                _ip("link", "add", f"br-{wire}", "address", _mac(wire, STREET), "type", "bridge")
                _ip("address", "add", f"{prefix}.{STREET}/24", "dev", f"br-{wire}")
                _ip("link", "set", f"br-{wire}", "up")
            for zone in ZONES:
                self._add(zone)
            yield self
        finally:
            for holder in self._holders.values():
                holder.kill()
                holder.wait()

    def entering(self, zone: str) -> Sequence[str]:
        """What stands before a command that is to run in a zone."""
        return ("nsenter", f"--net=/proc/{self._holders[zone].pid}/ns/net", "--")

    @contextmanager
    def cut(self, zone: str, wires: Sequence[str] = ("in", "out")) -> Iterator[float]:
        """Unplugged as long as the block; gives the time (time.monotonic())."""
        for wire in wires:
            _ip("link", "set", f"{zone}-{wire}", "nomaster")
        try:
            yield time.monotonic()
        finally:
            for wire in wires:
                _ip("link", "set", f"{zone}-{wire}", "master", f"br-{wire}")

    def _add(self, zone: str) -> None:
        holder = self._holders[zone] = subprocess.Popen(HOLDER)
        own, give_up = Path("/proc/self/ns/net").readlink(), time.monotonic() + DEADLINE_S
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
            if time.monotonic() > give_up:
                raise OSError(f"zone {zone} did not get a network of its own")
            time.sleep(0.01)
        number, within = ZONES.index(zone) + 1, self.entering(zone)
        _ip("link", "set", "lo", "up", within=within)
        for wire, prefix in (("in", INSIDE), ("out", OUTSIDE)):
            end = ("netns", str(holder.pid), "address", _mac(wire, number))
            _ip("link", "add", f"{zone}-{wire}", "type", "veth", "peer", "name", wire, *end)
            _ip("link", "set", f"{zone}-{wire}", "master", f"br-{wire}", "up")
            _ip("address", "add", f"{prefix}.{number}/24", "dev", wire, within=within)
            _ip("link", "set", wire, "up", within=within)
            self._write_down(f"br-{wire}", wire, prefix, [number], ())
            others = [other for other in (1, 2, 3, STREET) if other != number]
            self._write_down(wire, wire, prefix, others, within)

    def _write_down(
        self, device: str, wire: str, prefix: str, numbers: Sequence[int], within: Sequence[str]
    ) -> None:
        for number in numbers:
            known = ("lladdr", _mac(wire, number), "nud", "permanent")
            place = (f"{prefix}.{number}", "dev", device)
            _ip("neighbour", "replace", *place, *known, within=within)


def _mac(wire: str, number: int) -> str:
    """Locally administered."""
    return f"02:00:00:00:{0 if wire == 'in' else 1:02x}:{number:02x}"


def _ip(*words: str, within: Sequence[str] = ()) -> None:
    done = subprocess.run(
        [*within, "ip", *words], check=False, capture_output=True, text=True, timeout=DEADLINE_S
    )
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
