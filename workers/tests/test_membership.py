"""A member of a consumer group stands still and reads on, whatever becomes of its partitions."""

from threading import Event
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError

from tests.redis.waiting import until
from workers.runtime import kafka
from workers.runtime.membership import Membership
from workers.tests.fake_consumer import FakeConsumer
from workers.tests.loop_stage import StepClock

DEADLINE_S = 60.0
POLL_S = 0.05
PARTITIONS = 8


class _Member:
    """A membership with what the tests want to know of it."""

    def __init__(self, broker, clock) -> None:
        settings = kafka.consumer_settings(broker.brokers, broker.names.group("members"), "x")
        # Not static, so that whoever leaves gives its partitions back at once.
        del settings["group.instance.id"]
        self.consumer: Consumer = kafka.connect_consumer(settings)
        self.membership = Membership(
            self.consumer,
            broker.names.reservations,
            clock=clock,
            stop=Event(),
            on_going=lambda partitions, lost: None,
        )
        self.membership.join()
        self.read_from: set[int] = set()

    def owned(self) -> int:
        """How many partitions it has."""
        return len(self.consumer.assignment())

    def read(self) -> None:
        """Read once."""
        found = self.membership.read(100, POLL_S)
        self.read_from |= {partition for one in found if (partition := one.partition()) is not None}


@pytest.fixture
def member(broker, clock):
    """Make members; they leave in the end."""
    made = []

    def join():
        made.append(_Member(broker, clock))
        return made[-1]

    yield join
    for one in made:
        one.membership.leave()


def test_a_partition_that_left_while_it_stood_still_is_read_when_it_is_back(broker, member):
    """librdkafka remembers that it was paused, and nobody would ever resume it."""
    first = member()
    until(lambda: first.read() or first.owned() == PARTITIONS, "all partitions", DEADLINE_S)
    first.membership.stand_still(0)
    second = member()

    def shared():
        first.membership.stand_still(0)
        second.read()
        return second.owned() and first.owned() + second.owned() == PARTITIONS

    until(shared, "each has some", DEADLINE_S)
    first.read()
    second.membership.leave()
    until(lambda: first.read() or first.owned() == PARTITIONS, "all of them again", DEADLINE_S)
    for partition in range(PARTITIONS):
        broker.put(broker.names.reservations, [("a", b"{}")], partition)
    until(
        lambda: first.read() or first.read_from == set(range(PARTITIONS)),
        "a message of every partition",
        DEADLINE_S,
    )


@pytest.fixture
def changed():
    """Set when the topic has been made again."""
    return Event()


@pytest.fixture
def fake(changed):
    """A consumer whose commits are refused when the test says so, and its membership."""
    consumer: Any = FakeConsumer()
    membership = Membership(
        consumer,
        "topic",
        clock=StepClock(),
        stop=Event(),
        on_going=lambda partitions, lost: None,
        is_another=changed.is_set,
    )
    membership.join()
    membership.problem = None
    return consumer, membership


def test_a_refused_commit_is_made_up_for_when_there_is_nothing_to_read(fake):
    """Else a topic at rest would have a backlog for ever: no later commit takes this one along."""
    consumer, membership = fake
    consumer.refuse_commits = 2
    membership.commit({("topic", 0): 7}, "tally")
    assert consumer.commits == []
    for _ in range(20):
        membership.read(100, POLL_S)
    assert consumer.commits == [{0: 7}]
    assert consumer.notes == ["tally"]


def test_a_refused_commit_goes_with_the_next_one(fake):
    consumer, membership = fake
    consumer.refuse_commits = 1
    membership.commit({("topic", 0): 7, ("topic", 1): 3})
    membership.commit({("topic", 0): 9})
    membership.read(100, POLL_S)
    assert consumer.commits == [{0: 9, 1: 3}]


def test_an_offset_of_a_topic_that_is_gone_is_not_kept_for_the_next_one(fake):
    """That one begins at 0: what stands before the offset would never be read."""
    consumer, membership = fake
    consumer.refuse_commits, consumer.refusal = 1, KafkaError.UNKNOWN_TOPIC_OR_PART
    membership.commit({("topic", 0): 7})
    for _ in range(20):
        membership.read(100, POLL_S)
    membership.commit({("topic", 1): 1})
    assert consumer.commits == [{1: 1}]


def test_nothing_is_committed_once_the_topic_is_another_one(fake, changed):
    consumer, membership = fake
    consumer.refuse_commits = 1
    membership.commit({("topic", 0): 7})
    changed.set()
    membership.commit({("topic", 0): 9})
    for _ in range(20):
        membership.read(100, POLL_S)
    assert consumer.commits == []


def test_while_nothing_is_assigned_no_commit_is_repeated(fake):
    """It would wait for a coordinator that is away, and the loop with it."""
    consumer, membership = fake
    consumer.refuse_commits = 1
    membership.commit({("topic", 0): 7})
    membership.problem = "away"
    for _ in range(20):
        membership.read(100, POLL_S)
    assert consumer.commits == []


@pytest.mark.parametrize("callback", ["on_revoke", "on_lost"])
def test_a_refused_commit_is_not_repeated_for_a_partition_that_left(fake, callback):
    """It would set its next owner back."""
    consumer, membership = fake
    consumer.refuse_commits = 1
    membership.commit({("topic", 0): 7, ("topic", 1): 3})
    consumer.rebalance(callback, 0)
    membership.problem = None
    for _ in range(20):
        membership.read(100, POLL_S)
    assert consumer.commits == [{1: 3}]
