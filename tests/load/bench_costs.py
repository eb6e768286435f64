"""What an order costs each process of the whole stack: processor time, memory, write-ahead log.

    python -m tests.load.bench_costs [--profile dev]

The stack is flooded for some seconds as bench_confirm.py does it. Each process (its children with
it) is looked at in /proc before, and after the last answer of the warehouse has come back; what it
spends while nothing happens is taken off. Left in `var/bench/report.json` as `costs`, for the
capacity planner (deploy/capacity). Processor time, unlike a rate, is about the same on a machine
that others use too.

Needs SLUICE_* of a running stack, and wrk. The campaign that it makes stays.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import django

from deploy.local import linux
from deploy.local.site import Site
from deploy.local.supervision import Supervisor
from tests.load import bench_confirm, bench_report
from tests.redis.waiting import until

IDLE_S = 5.0
DEADLINE_S = 180.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, print, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_costs")
    parser.add_argument("--profile", default="dev")
    supervisor = Supervisor(Site(parser.parse_args().profile))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    item = bench_confirm._put_up()
    began, first = time.monotonic(), _spent_s(supervisor)
    time.sleep(IDLE_S)
    idle_s, before = time.monotonic() - began, _spent_s(supervisor)
    log_before, orders_before = _wal_bytes(), _answered()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench_confirm._saturate(item, Path(folder))
    orders = bench_confirm._settled(item.id)[0]
    until(
        lambda: _answered() - orders_before >= orders, "the warehouse has answered all", DEADLINE_S
    )
    took_s, after = time.monotonic() - started, _spent_s(supervisor)
    costs: dict[str, dict[str, float]] = {}
    resident = _resident_mb(supervisor)
    for name in sorted(after):
        idle = (before[name] - first[name]) / idle_s
        each_us = max(after[name] - before[name] - idle * took_s, 0) * 1e6 / orders
        costs[name] = {
            "us": round(each_us, 1),
            "idle_cores": round(idle, 4),
            "mb": round(resident[name]),
        }
        print(
            f"  {name:<20} {each_us:7.1f} µs an order   {idle:6.3f} of a core idle   "
            f"{resident[name]:5.0f} MB"
        )
    wal = (_wal_bytes() - log_before) / orders
    total = sum(one["us"] for one in costs.values())
    print(
        f"{orders:,} orders: {total:.0f} µs each in all; {wal:,.0f} bytes of write-ahead log each"
    )
    bench_report.record(
        {"costs": {"orders": orders, "wal_bytes": round(wal), "us": round(total), "of": costs}}
    )


def _trees(supervisor: Supervisor) -> dict[str, list[int]]:
    """Name of a process → its pid and those of all that descend from it."""
    children = defaultdict(list)
    for pid in linux.pids():
        fields = _fields(pid)
        if fields:
            children[int(fields[1])].append(pid)

    def below(pid: int) -> list[int]:
        return [pid, *(one for child in children[pid] for one in below(child))]

    programs = supervisor.programs()
    return {name: below(info["pid"]) for name, info in programs.items() if info["pid"]}


def _of_each(supervisor: Supervisor, figure: Callable[[int], float]) -> dict[str, float]:
    return {name: sum(map(figure, tree)) for name, tree in _trees(supervisor).items()}


def _spent_s(supervisor: Supervisor) -> dict[str, float]:
    """Seconds of processor time, children that have ended with them."""

    def of(pid: int) -> float:
        fields = _fields(pid)
        return sum(int(one) for one in fields[11:15]) / TICKS_PER_S if fields else 0.0

    return _of_each(supervisor, of)


def _resident_mb(supervisor: Supervisor) -> dict[str, float]:
    """Proportional: what several map is shared out."""

    def of(pid: int) -> float:
        try:
            lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
        except OSError:
            return 0.0
        return sum(int(one.split()[1]) for one in lines if one.startswith("Pss:")) / 1024

    return _of_each(supervisor, of)


def _fields(pid: int) -> list[str]:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _wal_bytes() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        return int(cursor.fetchone()[0])


def _answered() -> int:
    from control_plane.orders.models import StockAnswer

    return StockAnswer.objects.count()


if __name__ == "__main__":
    main()
