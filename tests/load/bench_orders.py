"""`make bench ONLY=orders`: orders landed and reservations relayed, each by one process (P4, P5).

    python -m tests.load.bench_orders [--rounds 5] [--orders 200000]

The limit is a raw COPY of the same order rows into the same table, committed every batch. Beside
it, in the same round: a real order consumer process, from Kafka to the committed offsets, with
events, ledger, allocation and statuses; and a relay from the outbox to Kafka's acks=all. Rounds
alternate, medians and the range are printed and left in `var/bench/report.json`, and nothing fails
on a time. An order counts when it stands in PostgreSQL; a round that lands fewer is an error.

Processor time is told beside it, of the client and of its PostgreSQL session: on a machine that
others use too it says more than a rate, since a landing needs several processes and a COPY two.

Needs SLUICE_* of a running stack; works in a scratch database and topics of its own.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.gateway import client as http
from tests.load import bench_landing, bench_relay, bench_report
from tests.redis.waiting import until
from workers.runtime import kafka
from workers.runtime.kafka import Names

TARGET = 0.40
NAMES = ("copied", "landed")
PARTITIONS = 8
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Cost:
    """Of one row: how many a second, and µs of processor time in the client and in PostgreSQL."""

    per_s: float
    client_us: float
    postgres_us: float

    def __str__(self) -> str:
        return f"{self.per_s:7,.0f}/s ({self.client_us:.0f} + {self.postgres_us:.0f} µs)"


@dataclass(frozen=True)
class Round:
    """What was seen one after the other."""

    copied: Cost
    landed: Cost
    relayed_per_s: float


def main() -> None:
    """Measure, print, report."""
    arguments = _arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    from workers.order_consumer import BATCH_MAX

    assert bench_landing.BATCH == BATCH_MAX, "both sides commit as many at a time"
    rounds: list[Round] = []
    with bench_landing.scratch_database():
        idle_s = _idle_s()
        for number in range(1, arguments.rounds + 1):
            copied = _copy(2 * number, arguments.orders)
            landed = _land(2 * number + 1, arguments.orders, idle_s)
            relayed = bench_relay.one_relay(arguments.orders)
            rounds.append(Round(copied, landed, relayed))
            print(
                f"round {number}: raw COPY {copied}   landed {landed} "
                f"{landed.per_s / copied.per_s:.2f}   relayed {relayed:7,.0f}/s",
                flush=True,
            )
    bench_report.record(_measures(rounds, arguments.orders))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_orders")
    parser.add_argument("--rounds", type=int, default=5)
    # Of 40,000 the first batch and the last, which nothing else runs beside, were a tenth.
    parser.add_argument("--orders", type=int, default=200_000)
    return parser.parse_args()


def _copy(item: int, rows: int) -> Cost:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        session = cursor.fetchone()[0]
    mine, its = time.process_time(), _spent_s(session)
    per_s = bench_landing.raw_copy(item, rows)
    mine, its = time.process_time() - mine, _spent_s(session) - its
    # Preparing the text, which is not on the clock, is most of the client's.
    return Cost(per_s, mine * 1e6 / rows, its * 1e6 / rows)


def _land(item: int, orders: int, idle_s: float) -> Cost:
    """One consumer process, beside what it spends on starting."""
    from control_plane.orders.models import Order

    bench_landing.make_item(item, orders)
    with _topics() as (brokers, names), _committed(brokers, names) as committed:
        _fill(brokers, names, bench_landing.intents(item, orders))
        with _consumer_process(names) as (pid, _):
            until(lambda: committed() == orders, "all are landed", DEADLINE_S, pause_s=0.02)
            ended, spent_s = time.time(), _spent_s(pid) - idle_s
            session_s = sum(_spent_s(one) for one in _sessions())
    landed = Order.objects.filter(item_id=item)
    if landed.count() != orders:
        raise SystemExit(f"{landed.count()} of {orders} reservations became orders")
    # Its first batch bears the time at which it was begun; the process' start is not measured.
    first = landed.order_by("created_at").values_list("created_at", flat=True)[0]
    seconds = ended - first.timestamp()
    return Cost(orders / seconds, spent_s * 1e6 / orders, session_s * 1e6 / orders)


def _idle_s() -> float:
    """Processor time of a consumer that has started and has nothing to do."""
    with _topics() as (_, names), _consumer_process(names) as (pid, port):

        def is_ready() -> bool:
            try:
                return http.get(port, "/readyz").status == 200
            except OSError:
                return False

        until(is_ready, "the consumer is ready", DEADLINE_S)
        return _spent_s(pid)


def _spent_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _sessions() -> list[int]:
    """The database's sessions but our own."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


@contextmanager
def _topics() -> Iterator[tuple[str, Names]]:
    """All topics that an order consumer knows, under a prefix that nobody else has."""
    brokers = os.environ["SLUICE_KAFKA_BROKERS"]
    names = Names(f"bench{uuid.uuid4().hex[:8]}.")
    admin = AdminClient({"bootstrap.servers": brokers})
    topics = [names.reservations, names.order_events, names.dead_letters]
    for done in admin.create_topics([NewTopic(one, PARTITIONS, 1) for one in topics]).values():
        done.result(30)
    yield brokers, names
    for done in admin.delete_topics(topics).values():
        done.result(30)


@contextmanager
def _committed(brokers: str, names: Names) -> Iterator[Any]:
    """A function: how many messages of `reservations` the consumers have behind them."""
    from workers.order_consumer import GROUP

    reader = Consumer({"bootstrap.servers": brokers, "group.id": names.group(GROUP)})
    partitions = [TopicPartition(names.reservations, number) for number in range(PARTITIONS)]
    yield lambda: sum(max(one.offset, 0) for one in reader.committed(partitions, timeout=30))
    reader.close()


def _fill(brokers: str, names: Names, messages: list[tuple[str, bytes]]) -> None:
    producer = kafka.connect_producer(kafka.producer_settings(brokers))
    for number, (key, value) in enumerate(messages):
        producer.produce(names.reservations, value, key)
        if number % 10_000 == 0:
            assert producer.flush(60) == 0
    assert producer.flush(60) == 0


@contextmanager
def _consumer_process(names: Names) -> Iterator[tuple[int, int]]:
    """Its pid and the port of its metrics."""
    from workers.tests import running

    environ = running.environment(names, SLUICE_INSTANCE="bench")
    command = [sys.executable, "-m", "workers.order_consumer"]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        yield process.pid, int(environ["SLUICE_METRICS_PORT"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _measures(rounds: list[Round], orders: int) -> dict[str, dict[str, Any]]:
    ratios = [one.landed.per_s / one.copied.per_s for one in rounds]
    above = [one.relayed_per_s / one.landed.per_s for one in rounds]
    copied, landed = (_median([getattr(one, name) for one in rounds]) for name in NAMES)
    relayed = statistics.median(one.relayed_per_s for one in rounds)
    p4 = _measure(ratios, TARGET, landed.per_s, copied.per_s)
    p4 |= {
        "client_us": round(landed.client_us, 1),
        "postgres_us": round(landed.postgres_us, 1),
        "limit_postgres_us": round(copied.postgres_us, 1),
    }
    # Every order of a round is counted in PostgreSQL, or the round is an error.
    taken = {"accepted": orders * len(rounds), "refused": 0}
    p4 |= taken | {"landed": orders * len(rounds)}
    # What was relayed stands in Kafka: nothing of it is an order.
    p5 = _measure(above, 1.0, relayed, landed.per_s) | taken | {"landed": None}
    print(
        f"\nmedian of {len(rounds)} rounds, batches of {bench_landing.BATCH}\n"
        f"  raw COPY      {copied.per_s:>9,.0f} /s   (the limit) "
        f"{copied.postgres_us:.1f} µs of PostgreSQL\n"
        f"  landed        {landed.per_s:>9,.0f} /s   {p4['value']:.2f} of raw COPY "
        f"(range {min(ratios):.2f} to {max(ratios):.2f}; target {TARGET:.2f}); "
        f"{landed.postgres_us:.1f} µs of PostgreSQL, {landed.client_us:.1f} µs of the consumer\n"
        f"  relayed       {relayed:>9,.0f} /s   {p5['value']:.2f} of landed "
        f"(range {min(above):.2f} to {max(above):.2f}; target 1.00)"
    )
    return {"P4": p4, "P5": p5}


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(one.per_s for one in costs),
        statistics.median(one.client_us for one in costs),
        statistics.median(one.postgres_us for one in costs),
    )


def _measure(ratios: list[float], target: float, product: float, limit: float) -> dict[str, Any]:
    value = statistics.median(ratios)
    return {
        "value": round(value, 3),
        "unit": "ratio",
        "target": target,
        "met": value >= target,
        "product": round(product),
        "limit": round(limit),
        "rounds": [round(one, 3) for one in ratios],
        "spread": round(max(ratios) - min(ratios), 3),
    }


if __name__ == "__main__":
    main()
