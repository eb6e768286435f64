"""`make bench-board`: what open boards take from the gateway's throughput (target: below 2 %).

    python -m tests.load.bench_board [--rounds 10] [--seconds 8] [--viewers 3] [--profile dev]

On a running stack. wrk asks the gateway in a closed loop for a campaign that there is not: the
cheapest answer that Lua gives, so that a board has the largest share of it that it can have. Rounds
with so many boards open and with none alternate, and which one comes first changes: a slow minute
of the machine hits both. A viewer asks as the page does, once a second, by way of the console's
port. Nothing fails on a time.

The verdict is by processor time: what all of the stack but the gateway uses more while boards are
open, as a share of the machine, which is what a gateway that fills the machine loses. Answers a
second stand beside it; with the load, the gateway and the stack on two cores they went up and down
by more than ten times the target between equal rounds.

The figures of a round without viewers are not of a board at rest: Prometheus asks the control plane
for the same look every two seconds.
"""

import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import django

from deploy.local.ports import PROFILES, ports_of
from deploy.local.site import ROOT
from tests.load import bench_report

TARGET = 0.02
ASKED = "/v1/campaigns/none"
# By a part of the command line. Everything else of the stack is one more: Prometheus, PostgreSQL, …
PARTS = {"gateway": b"nginx: ", "control plane": b"control_plane.config.asgi"}
REST = "rest"
PROCESSES = (*PARTS, REST)


@dataclass(frozen=True)
class Round:
    """Answers a second, looks that were answered, and cores used, by process."""

    per_s: float
    looks: int
    cores: dict[str, float]


def main() -> int:
    """Measure, print, write the report; 1 when a viewer saw no board."""
    arguments = _arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    bench = _Bench(arguments)
    bench.round(arguments.viewers)  # warms both up; it is not counted
    shut: list[Round] = []
    watched: list[Round] = []
    for number in range(arguments.rounds):
        order = [(0, shut), (arguments.viewers, watched)]
        for viewers, kept in order if number % 2 == 0 else reversed(order):
            kept.append(bench.round(viewers))
    _report(shut, watched, arguments)
    wanted = arguments.viewers * arguments.seconds * 0.5
    if any(one.looks < wanted for one in watched):
        print("a viewer got less than every second look: nothing was measured", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_board")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--viewers", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--profile", choices=list(PROFILES), default="dev")
    return parser.parse_args()


class _Bench:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self._seconds, self._connections = arguments.seconds, arguments.connections
        ports = ports_of(arguments.profile)
        self._sale, self._console = ports["gateway"], ports["gateway-console"]
        self._runs_in = ROOT / "var" / arguments.profile

    def round(self, viewers: int) -> Round:
        """One run of wrk, with so many boards open all the time."""
        with _watched(self._console, viewers, self._seconds * 3 + 60) as looks:
            before, began = self._used_s(), time.monotonic()
            per_s = self._wrk()
            took = time.monotonic() - began
            used = self._used_s()
            cores = {name: (used[name] - before[name]) / took for name in PROCESSES}
        return Round(per_s, len(looks), cores)

    def _wrk(self) -> float:
        command = ["wrk", "-t1", f"-c{self._connections}", f"-d{self._seconds}s"]
        url = f"http://127.0.0.1:{self._sale}{ASKED}"
        said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert found, said
        return float(found[1])

    def _used_s(self) -> dict[str, float]:
        """Processor time of this stack's processes: their folder is inside of its own."""
        used = dict.fromkeys(PROCESSES, 0.0)
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                if not (folder / "cwd").readlink().is_relative_to(self._runs_in):
                    continue
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has ended, or is somebody else's
            name = next((name for name, part in PARTS.items() if part in line), REST)
            used[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used


@contextmanager
def _watched(port: int, viewers: int, lasts_s: float) -> Iterator[list[int]]:
    """Boards that are open; the list grows by each look that was answered."""
    from control_plane.board import passes

    over, looks = Event(), list[int]()
    shown = passes.sign(passes.STAFF, "0", time.time() + lasts_s)

    def watch(number: int) -> None:
        # Not all in the same moment, as people's are not.
        over.wait(number / max(viewers, 1))
        while not over.is_set():
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request(
                    "GET", "/board/now.json", None, {"Authorization": f"Bearer {shown}"}
                )
                answer = connection.getresponse()
                if answer.status == 200 and answer.read():
                    looks.append(number)
                connection.close()
            except OSError:
                pass
            over.wait(max(0.0, 1 - (time.monotonic() - began)))

    threads = [Thread(target=watch, args=[number]) for number in range(viewers)]
    for one in threads:
        one.start()
    try:
        yield looks
    finally:
        over.set()
        for one in threads:
            one.join()


def _others(one: Round) -> float:
    """Cores of all but the gateway."""
    return sum(cores for name, cores in one.cores.items() if name != "gateway")


def _report(shut: list[Round], watched: list[Round], arguments: argparse.Namespace) -> None:
    costs = [_others(seen) - _others(alone) for alone, seen in zip(shut, watched, strict=True)]
    cost = statistics.median(costs) / (os.cpu_count() or 1)
    losses = [1 - seen.per_s / alone.per_s for alone, seen in zip(shut, watched, strict=True)]
    loss = statistics.median(losses)
    more = {
        name: statistics.median(one.cores[name] for one in watched)
        - statistics.median(one.cores[name] for one in shut)
        for name in PROCESSES
    }
    alone, seen = (statistics.median(one.per_s for one in side) for side in (shut, watched))
    looks = statistics.median(one.looks for one in watched) / arguments.seconds
    print(
        f"\n{arguments.viewers} boards open, {looks:.1f} looks a second, "
        f"median of {len(losses)} pairs of rounds\n"
        f"  answers alone    {alone:>9,.0f} /s\n"
        f"  answers watched  {seen:>9,.0f} /s   {loss:+.2%} lost "
        f"(range {min(losses):+.2%} to {max(losses):+.2%})\n"
        f"  by processor time {cost:+.2%} of the machine (target below {TARGET:.0%})"
    )
    for name, cores in more.items():
        each = statistics.median(one.cores[name] for one in shut)
        print(f"  cores of the {name:<14} {each:.3f} alone, {cores:+.4f} watched")
    bench_report.record(
        {
            "board": {
                "value": round(cost, 4),
                "unit": "share of the machine's processor time",
                "target": TARGET,
                "met": cost < TARGET,
                "fewer_answers": round(loss, 4),
                "product": round(seen),
                "limit": round(alone),
                "rounds": len(losses),
                "spread": round((max(costs) - min(costs)) / (os.cpu_count() or 1), 4),
                "viewers": arguments.viewers,
                "more_cores": {name: round(cores, 4) for name, cores in more.items()},
            }
        }
    )


if __name__ == "__main__":
    sys.exit(main())
