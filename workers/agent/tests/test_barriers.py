"""Barriers count once Kafka has acknowledged every one of them, and nobody waits for that."""

import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from control_plane.inventory.models import Allocation, Rearm
from workers.agent.barriers import REST_S, Barriers
from workers.runtime.kafka import Names
from workers.runtime.verdicts import Unavailable

PARTITIONS = 3
REARM = Rearm(pk=uuid.UUID(int=1), allocation=Allocation(item_id=7, shard=2, epoch=5))


class SlowKafka:
    """Acknowledges when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Any]] = []
        self.asked = 0
        self.is_away = False

    def list_topics(self, topic, timeout):
        self.asked += 1
        if self.is_away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        known = SimpleNamespace(error=None, partitions=dict.fromkeys(range(PARTITIONS)))
        return SimpleNamespace(topics={topic: known})

    def produce(self, _topic, _value, partition, on_delivery):
        self.sent.append((partition, on_delivery))

    def poll(self, _timeout):
        pass

    def answer(self, count, error=None, offset: int | None = 7):
        """To the `count` oldest messages."""
        for number, note in self.sent[:count]:
            note(error, SimpleNamespace(partition=lambda n=number: n, offset=lambda: offset))
        del self.sent[:count]


@pytest.fixture
def slow():
    return SlowKafka()


@pytest.fixture
def barriers(slow, clock):
    return Barriers(cast(Any, slow), Names(), clock)


def test_all_of_them_must_be_acknowledged(slow, barriers):
    assert barriers.send(REARM) is None
    assert sorted(partition for partition, _ in slow.sent) == [0, 1, 2]
    slow.answer(2)
    assert barriers.send(REARM) is None
    slow.answer(1)
    assert barriers.send(REARM) == PARTITIONS


def test_asking_again_sends_nothing_again(slow, barriers):
    for _ in range(5):
        barriers.send(REARM)
    assert len(slow.sent) == PARTITIONS


def test_delivered_without_an_offset_is_a_failure(slow, barriers):
    barriers.send(REARM)
    slow.answer(2)
    slow.answer(1, offset=None)
    with pytest.raises(Unavailable):
        barriers.send(REARM)
    assert barriers.send(REARM) is None
    assert len(slow.sent) == PARTITIONS


def test_after_a_failure_all_are_sent_again(slow, barriers):
    barriers.send(REARM)
    slow.answer(2)
    slow.answer(1, KafkaError(KafkaError._MSG_TIMED_OUT))
    with pytest.raises(Unavailable):
        barriers.send(REARM)
    assert barriers.send(REARM) is None
    assert len(slow.sent) == PARTITIONS


def test_what_another_agent_has_finished_is_forgotten(slow, barriers):
    barriers.send(REARM)
    barriers.keep_only({REARM.pk})
    barriers.send(REARM)
    assert len(slow.sent) == PARTITIONS, "it is still open"
    barriers.keep_only(set())
    barriers.send(REARM)
    assert len(slow.sent) == 2 * PARTITIONS


def test_a_kafka_that_is_away_is_asked_seldom(slow, barriers, clock):
    slow.is_away = True
    for _ in range(5):
        with pytest.raises(Unavailable):
            barriers.send(REARM)
    assert slow.asked == 1
    clock.skip(REST_S)
    with pytest.raises(Unavailable):
        barriers.send(REARM)
    assert slow.asked == 2


def test_a_topic_that_is_missing_is_unavailable_and_no_reason_to_end(slow, barriers, monkeypatch):
    def missing(*_args, **_options):
        raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))

    monkeypatch.setattr(slow, "produce", missing)
    with pytest.raises(Unavailable, match="topic reservations"):
        barriers.send(REARM)
    request = SimpleNamespace(value="{}", shopper="ann")
    with pytest.raises(Unavailable, match="topic reservations"):
        barriers.send_again([cast(Any, request)])
