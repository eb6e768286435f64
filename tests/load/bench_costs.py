"""What an order costs each process of the whole stack: processor time, memory, write-ahead log.

    python -m tests.load.bench_costs [--profile dev]

The stack is flooded for some seconds as bench_confirm.py does it. Each process (its children with
it) is looked at in /proc before, and after the last answer of the warehouse has come back; what it
spends while nothing happens is taken off. A stack that has few cores makes small batches
everywhere, and this is what an order costs in such. Then it is flooded again while those that
follow the orders are frozen, and they wake one after the other: so each is seen alone, in full
batches, and what PostgreSQL does for it.

Left in `var/bench/report.json` as `costs`, for the capacity planner (deploy/capacity). Processor
time, unlike a rate, is about the same on a machine that others use too.

Needs SLUICE_* of a running stack, and wrk. The campaign that it makes stays.
"""

import argparse
import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import django
from confluent_kafka import Consumer, TopicPartition

from deploy.local import linux
from deploy.local.site import Site
from deploy.local.supervision import Supervisor
from tests.load import bench_confirm, bench_report
from tests.load.campaign import Item
from tests.redis.waiting import until
from workers import order_consumer
from workers.runtime.kafka import Names

IDLE_S = 5.0
DEADLINE_S = 180.0
LOOK_S = 0.5
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Processes of these names read topic `order-events`, each as a group of its name; in the order in
# which an order needs them.
FOLLOWERS = ("inventory-consumer", "order-courier", "webhook-consumer")
Spent = dict[str, float]


def main() -> None:
    """Measure, print, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_costs")
    parser.add_argument("--profile", default="dev")
    supervisor = Supervisor(Site(parser.parse_args().profile))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    item = bench_confirm._put_up()
    idle = _idle_cores(supervisor)
    with tempfile.TemporaryDirectory() as folder:
        costs = _in_small_batches(supervisor, item, Path(folder), idle)
        costs["alone"] = _one_by_one(supervisor, item, Path(folder), idle)
    bench_report.record({"costs": costs})


def _idle_cores(supervisor: Supervisor) -> Spent:
    """What each process spends while nothing happens."""
    began, first = time.monotonic(), _spent_s(supervisor)
    time.sleep(IDLE_S)
    last, took_s = _spent_s(supervisor), time.monotonic() - began
    return {name: (last[name] - first[name]) / took_s for name in first}


def _in_small_batches(
    supervisor: Supervisor, item: Item, folder: Path, idle: Spent
) -> dict[str, Any]:
    """Of every process, while all of them share the machine."""
    # Once before, not counted: a JVM that has just started costs five times as much.
    bench_confirm._flood(item, folder, 0)
    _until_at_rest()
    log_before, known = _wal_bytes(), _orders(item)
    before, started = _spent_s(supervisor), time.monotonic()
    clicks, refused = bench_confirm._flood(item, folder, bench_confirm.FLOOD_REQUESTS)
    _until_at_rest()
    after, took_s = _spent_s(supervisor), time.monotonic() - started
    orders = _orders(item) - known
    each = _each_us(before, after, idle, took_s, orders)
    resident = _resident_mb(supervisor)
    costs = {
        name: {"us": us, "idle_cores": round(idle[name], 4), "mb": round(resident[name])}
        for name, us in each.items()
    }
    for name, one in costs.items():
        print(
            f"  {name:<20} {one['us']:7.1f} µs an order   {one['idle_cores']:6.3f} of a core idle"
            f"   {one['mb']:5.0f} MB"
        )
    wal, total = (_wal_bytes() - log_before) / orders, sum(each.values())
    print(
        f"{orders:,} orders: {total:.0f} µs each in all; {wal:,.0f} bytes of write-ahead log each"
    )
    counted = {"clicks": clicks, "refused": refused, "orders": orders}
    return counted | {"wal_bytes": round(wal), "us": round(total), "of": costs}


def _orders(item: Item) -> int:
    from control_plane.orders.models import Order

    return Order.objects.filter(item_id=item.id).count()


def _until_at_rest(*groups: str) -> None:
    """Until these, or all, have read all there is. Asks Kafka: rows that are counted cost too."""

    def at_rest() -> bool:
        return not any(_lag(one) for one in groups or (order_consumer.GROUP, *FOLLOWERS))

    # Twice: what one has read the next one does not have yet.
    for _ in range(2):
        time.sleep(LOOK_S)
        until(at_rest, "all is read", DEADLINE_S, pause_s=LOOK_S)


def _one_by_one(
    supervisor: Supervisor, item: Item, folder: Path, idle: Spent
) -> dict[str, dict[str, float]]:
    """Of each that follows the orders, in full batches, and of PostgreSQL meanwhile."""
    found: dict[str, dict[str, float]] = {}
    with _frozen(supervisor) as wake:
        known = _orders(item)
        bench_confirm._flood(item, folder, 2 * bench_confirm.FLOOD_REQUESTS)
        _until_at_rest(order_consumer.GROUP)
        orders = _orders(item) - known
        for name in FOLLOWERS:
            before, started = _spent_s(supervisor), time.monotonic()
            wake(name)
            _until_at_rest(name)
            took_s = time.monotonic() - started
            each = _each_us(before, _spent_s(supervisor), idle, took_s, orders)
            found[name] = {"us": each[name], "postgres_us": each["postgres"]}
            print(
                f"  {name:<20} {each[name]:7.1f} µs an order alone, in full batches; "
                f"{each['postgres']:.1f} of PostgreSQL"
            )
    return found


def _each_us(before: Spent, after: Spent, idle: Spent, took_s: float, orders: int) -> Spent:
    """µs an order of each process, beside what it would have spent anyhow."""
    return {
        name: round(max(after[name] - before[name] - idle[name] * took_s, 0) * 1e6 / orders, 1)
        for name in sorted(after)
    }


@contextmanager
def _frozen(supervisor: Supervisor) -> Iterator[Callable[[str], None]]:
    """The followers stand still inside; a function wakes one."""
    trees = {name: _trees(supervisor)[name] for name in FOLLOWERS}

    def tell(name: str, what: signal.Signals) -> None:
        for pid in trees[name]:
            # A follower that has died must not leave the others standing still.
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    try:
        for name in trees:
            tell(name, signal.SIGSTOP)
        yield lambda name: tell(name, signal.SIGCONT)
    finally:
        for name in trees:
            tell(name, signal.SIGCONT)


def _lag(group: str) -> int:
    """How many messages of its topic a group has not committed yet."""
    names = Names(os.environ.get("SLUICE_KAFKA_PREFIX", ""))
    name = names.reservations if group == order_consumer.GROUP else names.order_events
    reader = Consumer(
        {
            "bootstrap.servers": os.environ["SLUICE_KAFKA_BROKERS"],
            "group.id": names.group(group),
        }
    )
    try:
        topic = reader.list_topics(name, timeout=30).topics[name]
        partitions = [TopicPartition(name, number) for number in topic.partitions]
        behind = 0
        for one in reader.committed(partitions, timeout=30):
            first, end = reader.get_watermark_offsets(one, timeout=30)
            behind += end - max(one.offset, first)
        return behind
    finally:
        reader.close()


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


if __name__ == "__main__":
    main()
