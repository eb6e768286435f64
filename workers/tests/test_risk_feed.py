"""Where the feed begins: nothing that comes while it asks is skipped, also where nothing is yet."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.redis.waiting import until
from workers.risk.feed import Feed, consumer_settings
from workers.runtime.verdicts import Unavailable

BACK_S = 60


class Asking(Consumer):
    """A consumer of whose topic something happens between its question and its first fetch."""

    meanwhile: Callable[[], None]

    def offsets_for_times(self, *args, **kwargs):
        found = super().offsets_for_times(*args, **kwargs)
        self.meanwhile()
        return found


@pytest.fixture
def feed(broker, clock):
    """A builder of feeds with something that happens meanwhile."""
    made = []

    def build(meanwhile=lambda: None):
        consumer = Asking(consumer_settings(broker.brokers, broker.names.group("feed")))
        consumer.meanwhile = meanwhile
        made.append(Feed(consumer, broker.names.gateway_events, clock, BACK_S))
        return made[-1]

    yield build
    for one in made:
        one.close()


def _put(broker, value, *, ago_s=0.0):
    """One event in partition 0."""
    producer = broker.producer()
    at_ms = int((time.time() - ago_s) * 1000)
    producer.produce(broker.names.gateway_events, value, partition=0, timestamp=at_ms)
    assert producer.flush(30) == 0


def _read(feed, most):
    """Values until so many have come."""
    values: list[bytes] = []

    def read():
        # A topic that was just made may have no leader for a moment.
        with suppress(Unavailable):
            values.extend(message.value() for message in feed.read(0.1))
        return len(values) >= most

    until(read, f"{most} messages")
    return values


def test_what_is_older_than_the_window_is_not_read(broker, feed):
    _put(broker, b"old", ago_s=BACK_S + 30)
    _put(broker, b"new")
    assert _read(feed(), 1) == [b"new"]


@pytest.mark.parametrize("was_there", [[], [b"old"]])
def test_an_event_that_comes_while_it_asks_is_not_skipped(broker, feed, was_there):
    for value in was_there:
        _put(broker, value, ago_s=BACK_S + 30)
    assert _read(feed(lambda: _put(broker, b"meanwhile")), 1) == [b"meanwhile"]


def test_where_its_beginning_is_gone_it_reads_what_is_left(broker, feed):
    """Retention, or an operator, deletes what it was about to read."""
    for value in (b"0", b"1", b"2", b"3"):
        _put(broker, value)

    def delete_two():
        admin = AdminClient({"bootstrap.servers": broker.brokers})
        before = TopicPartition(broker.names.gateway_events, 0, 2)
        for done in admin.delete_records([before]).values():
            done.result(30)

    assert _read(feed(delete_two), 2) == [b"2", b"3"]
