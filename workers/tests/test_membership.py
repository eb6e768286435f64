"""A member of a consumer group stands still and reads on, whatever becomes of its partitions."""

from threading import Event

import pytest
from confluent_kafka import Consumer

from tests.redis.waiting import until
from workers.runtime import kafka
from workers.runtime.membership import Membership

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
