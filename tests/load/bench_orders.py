"""`make bench ONLY=orders`: orders landed and reservations relayed, each by one process (P4, P5).

    python -m tests.load.bench_orders [--rounds 5] [--orders 40000]

The limit is a raw COPY of the same order rows into the same table, committed every batch. Beside
it, in the same round: a real order consumer process, from Kafka to the committed offsets, with
events, ledger, allocation and statuses; and a relay from the outbox to Kafka's acks=all. Rounds
alternate, medians and the range are printed and left in `var/bench/report.json`, and nothing fails
on a time. An order counts when it stands in PostgreSQL; a round that lands fewer is an error.

Needs SLUICE_* of a running stack; works in a scratch database and topics of its own.
"""

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import django
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.load import bench_landing, bench_relay, bench_report
from tests.redis.waiting import until
from workers.runtime import kafka
from workers.runtime.kafka import Names

TARGET = 0.40
PARTITIONS = 8
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Round:
    """Rows, orders and reservations a second; µs of the consumer's own processor time an order."""

    copied_per_s: float
    landed_per_s: float
    relayed_per_s: float
    consumer_us: float


def main() -> None:
    """Measure, print, report."""
    arguments = _arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    rounds: list[Round] = []
    with bench_landing.scratch_database():
        for number in range(1, arguments.rounds + 1):
            copied = bench_landing.raw_copy(2 * number, arguments.orders)
            landed, consumer_us = _land(2 * number + 1, arguments.orders)
            relayed = bench_relay.one_relay(arguments.orders)
            rounds.append(Round(copied, landed, relayed, consumer_us))
            print(
                f"round {number}: raw COPY {copied:7,.0f}/s   landed {landed:7,.0f}/s "
                f"({landed / copied:.2f}, {consumer_us:.0f} µs each)   relayed {relayed:7,.0f}/s",
                flush=True,
            )
    bench_report.record(_measures(rounds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_orders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=40_000)
    return parser.parse_args()


def _land(item: int, orders: int) -> tuple[float, float]:
    """Orders a second of one consumer process, and its processor time for each in µs."""
    from control_plane.orders.models import Order

    bench_landing.make_item(item, orders)
    with _topics() as (brokers, names), _committed(brokers, names) as committed:
        _fill(brokers, names, bench_landing.intents(item, orders))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with _consumer_process(names):
            until(lambda: committed() == orders, "all are landed", DEADLINE_S, pause_s=0.02)
            ended = time.time()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    landed = Order.objects.filter(item_id=item)
    if landed.count() != orders:
        raise SystemExit(f"{landed.count()} of {orders} reservations became orders")
    # Its first batch bears the time at which it was begun; the process' start is not measured.
    first = landed.order_by("created_at").values_list("created_at", flat=True)[0]
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return orders / (ended - first.timestamp()), spent_s * 1e6 / orders


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
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


@contextmanager
def _consumer_process(names: Names) -> Iterator[None]:
    from workers.tests import running

    environ = running.environment(names, SLUICE_INSTANCE="bench")
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.order_consumer"], env=environ, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _measures(rounds: list[Round]) -> dict[str, dict[str, Any]]:
    ratios = [one.landed_per_s / one.copied_per_s for one in rounds]
    above = [one.relayed_per_s / one.landed_per_s for one in rounds]
    landed = statistics.median(one.landed_per_s for one in rounds)
    relayed = statistics.median(one.relayed_per_s for one in rounds)
    copied = statistics.median(one.copied_per_s for one in rounds)
    p4, p5 = _measure(ratios, TARGET, landed, copied), _measure(above, 1.0, relayed, landed)
    print(
        f"\nmedian of {len(rounds)} rounds, batches of {bench_landing.BATCH}\n"
        f"  raw COPY         {copied:>9,.0f} /s   (the limit)\n"
        f"  orders landed    {landed:>9,.0f} /s   {p4['value']:.2f} of raw COPY "
        f"(range {min(ratios):.2f} to {max(ratios):.2f}; target {TARGET:.2f}); "
        f"{statistics.median(one.consumer_us for one in rounds):.0f} µs of the consumer's core\n"
        f"  relayed          {relayed:>9,.0f} /s   {p5['value']:.2f} of landed "
        f"(range {min(above):.2f} to {max(above):.2f}; target 1.00)"
    )
    return {"P4": p4, "P5": p5}


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
