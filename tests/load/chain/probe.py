"""What each stage says of itself and what it costs, every half second, as lines of JSON.

    python -m tests.load.chain.probe --profile dev --seconds 30

A process of its own: reading nginx's figures takes milliseconds, and the load must not be late.
Times are the wall clock's, CPU seconds are of a process and all that it has begun (nginx's
workers, PostgreSQL's sessions).
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from deploy.local.ports import PROFILES
from deploy.local.site import Site
from deploy.local.stack import Stack
from tests.redis.waiting import until

Sample = dict[str, Any]
PROBE = (sys.executable, "-m", "tests.load.chain.probe")
EVERY_S = 0.5
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Port → the series that are read there: every worker shows every worker's figures, at 0.
WANTED = {
    "gateway-internal": ("sluice_gateway_exchange_seconds_bucket",),
    "relay": ("sluice_relay_delivered_total",),
    "order-consumer": ("sluice_reservations_decided_total", "sluice_reservations_repeated_total"),
}


def main() -> int:
    """Look until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.chain.probe")
    parser.add_argument("--profile", choices=list(PROFILES), default="dev")
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    site = Site(arguments.profile)
    programs = Stack(site).supervisor.programs()
    pids = {name: int(told["pid"]) for name, told in programs.items() if told.get("pid")}
    ends = time.monotonic() + arguments.seconds
    while (began := time.monotonic()) < ends:
        figures: dict[str, float] = {}
        for name, series in WANTED.items():
            figures |= _figures(site.port(name), series)
        children = _children()
        sample = {
            "at": time.time(),
            "cpu": {name: _cpu_s(pid, children) for name, pid in pids.items()},
            "machine": machine_s(Path("/proc/stat").read_text()),
            "figures": figures,
        }
        print(json.dumps(sample), flush=True)
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
    return 0


@contextmanager
def beside(
    profile: str, seconds: float, command: Sequence[str] = PROBE
) -> Iterator[Callable[[], list[Sample]]]:
    """A probe that has begun; the function waits for its end and gives its looks.

    Into a file: nobody reads a pipe while the crowd runs, and a full one would hold the probe up.
    """
    with TemporaryFile() as told:
        arguments = ["--profile", profile, "--seconds", str(seconds)]
        probe = subprocess.Popen([*command, *arguments], stdout=told)

        def looks() -> list[Sample]:
            probe.wait(timeout=seconds + 60)
            told.seek(0)
            return [json.loads(line) for line in told]

        try:
            until(
                lambda: os.fstat(told.fileno()).st_size > 0 or probe.poll() is not None,
                "the probe's first look",
                60,
            )
            yield looks
        finally:
            probe.kill()
            probe.wait()


def wanted(lines: Iterable[str], series: tuple[str, ...]) -> dict[str, float]:
    """Those series of a scrape; a counter that nothing was counted with yet is not in it, but 0."""
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith(series))
    return dict.fromkeys(series, 0.0) | {name: float(value) for name, value in pairs}


def machine_s(stat: str) -> tuple[float, float]:
    """(busy, all) seconds of all cores since boot, of /proc/stat."""
    fields = [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS_PER_S, sum(fields) / TICKS_PER_S


def _figures(port: int, series: tuple[str, ...]) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as response:
            return wanted(response.read().decode().splitlines(), series)
    except OSError:
        return {}  # a stage too busy to say so is seen by what it leaves undone


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and (fields := _fields(int(path.name))):
            found.setdefault(int(fields[1]), []).append(int(path.name))
    return found


def _cpu_s(pid: int, children: dict[int, list[int]]) -> float:
    """Its own, that of what it has begun, and of those of them that have ended."""
    fields = _fields(pid)
    if not fields:
        return 0.0
    own = sum(int(field) for field in fields[11:15]) / TICKS_PER_S
    return own + sum(_cpu_s(child, children) for child in children.get(pid, ()))


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat behind the command, which may hold blanks; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
