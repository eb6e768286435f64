"""How many reservations one relay brings from the outbox to Kafka, acks=all (MEASURES P5).

    python -m tests.load.bench_relay [reservations a round] [rounds]

Needs SLUICE_* of a running stack; works with a topic and an outbox of its own and removes them. The
limit beside it is the producer alone: the same messages from memory, same settings, same broker.
"""

import os
import random
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient, NewTopic

from workers.relay import Relay
from workers.runtime import env as environment
from workers.runtime import kafka
from workers.runtime.clock import SystemClock
from workers.runtime.env import Env
from workers.stock import shard as shards
from workers.stock.cluster import StockCluster, StockClusters
from workers.stock.keys import Shard
from workers.stock.outbox import OutboxReader, request_of
from workers.tests.messages import line
from workers.tests.selling import put_lines

ENTRY = 128
PARTITIONS = 8
FILL_TIMEOUT_S = 10.0


def main(reservations: int = 50_000, rounds: int = 5) -> None:
    """Measure and print."""
    alone, relayed = [], []
    with _broker() as (env, names):
        for number in range(1, rounds + 1):
            assert env.kafka_brokers
            item = random.randrange(10**9, 2 * 10**9)
            shard, lines = Shard(item, 0, 1), _lines(item, reservations)
            alone.append(_produce(env.kafka_brokers, names, _messages(shard, lines)))
            relayed.append(_relay(env, names, shard, lines))
            print(f"round {number}: producer alone {alone[-1]:7.0f}/s   relay {relayed[-1]:7.0f}/s")
    print(
        f"median:  producer alone {statistics.median(alone):7.0f}/s   "
        f"relay {statistics.median(relayed):7.0f}/s, entries of {ENTRY}"
    )


def one_relay(reservations: int) -> float:
    """Reservations a second of one relay, on a topic and an outbox of their own."""
    with _broker() as (env, names):
        item = random.randrange(10**9, 2 * 10**9)
        return _relay(env, names, Shard(item, 0, 1), _lines(item, reservations))


@contextmanager
def _broker() -> Iterator[tuple[Env, kafka.Names]]:
    env = environment.read(os.environ | {"SLUICE_METRICS_PORT": "1"}, stock_redis=True, kafka=True)
    assert env.kafka_brokers
    names = kafka.Names(f"bench{uuid.uuid4().hex[:8]}.")
    admin = AdminClient({"bootstrap.servers": env.kafka_brokers})
    for done in admin.create_topics([NewTopic(names.reservations, PARTITIONS, 1)]).values():
        done.result(30)
    try:
        yield env, names
    finally:
        for done in admin.delete_topics([names.reservations]).values():
            done.result(30)


def _lines(item: int, number: int) -> list[bytes]:
    return [line(item, f"shopper-{n}") for n in range(number)]


def _messages(shard: Shard, lines: list[bytes]) -> list[str]:
    return [request_of(shard, one).value for one in lines]


def _produce(brokers: str, names: kafka.Names, messages: list[str]) -> float:
    producer = kafka.connect_producer(kafka.producer_settings(brokers))
    producer.list_topics(timeout=30)
    started = time.perf_counter()
    for number, message in enumerate(messages):
        producer.produce(names.reservations, message, f"shopper-{number}")
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return len(messages) / (time.perf_counter() - started)


def _relay(env: Env, names: kafka.Names, shard: Shard, lines: list[bytes]) -> float:
    assert env.stock_redis and env.kafka_brokers
    # Filling the outbox is not measured: a slow moment of the disk must not end the run.
    cluster = StockCluster(env.stock_redis, "bench", FILL_TIMEOUT_S)
    reader = OutboxReader(StockClusters.connect(env.stock_sources, "bench"), "bench", SystemClock())
    shards.arm(cluster, shard, shards.life_of(cluster, shard), 1, int(time.time() * 1000))
    node = cluster.node_of(shard)
    starts = range(0, len(lines), ENTRY)
    for first in starts:
        put_lines(cluster, shard, *lines[first : first + ENTRY])
    producer = kafka.connect_producer(kafka.producer_settings(env.kafka_brokers))
    producer.list_topics(timeout=30)
    relay = Relay(reader, producer, SystemClock(), names)
    started = time.perf_counter()
    read = 0
    while read < len(starts) or relay.in_flight:
        read += relay.turn([shard])
    took_s = time.perf_counter() - started
    node.delete(shard.ctl, shard.avail, shard.outbox)
    return len(lines) / took_s


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
