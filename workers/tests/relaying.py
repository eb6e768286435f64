"""Turning a relay by hand, and looking at what it left."""

from tests.redis.waiting import until
from workers.runtime import kafka
from workers.stock.keys import RELAY_GROUP
from workers.stock.outbox import lines_of, request_of


def producer(brokers):
    """A producer to these brokers."""
    return kafka.connect_producer(kafka.producer_settings(brokers))


def pending(cluster, shard):
    """How many entries are read and not acknowledged."""
    return cluster.node_of(shard).xpending(shard.outbox, RELAY_GROUP)["pending"]


def run_until(relay, shard, done):
    """Turn the relay until `done`."""
    until(lambda: relay.turn([shard]) >= 0 and done(), "the relay is done", pause_s=0)


def read_and_die(relay, shard, entries=10):
    """Read entries as the relay does, and go no further."""
    return until(lambda: relay._reader.read([shard], entries), "there are entries")


def nothing_left(cluster, shard):
    """All read and all acknowledged."""

    def look():
        (group,) = cluster.node_of(shard).xinfo_groups(shard.outbox)
        return group["pending"] == 0 and group["lag"] == 0

    return look


def requests_in(entries, shard):
    """What entries of its outbox say."""
    return [request_of(shard, line) for _, entry in entries for line in lines_of(entry)]


def delivered(broker):
    """Every value in the topic `reservations`."""
    return [message.value() for message in broker.read(broker.names.reservations)]
