"""Kafka under the drill: what stands in a topic, put something there, take a topic away."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.servers import kafka
from tests.drill.drill import DrillBroken
from tests.drill.ground import Ground, wait_for

RESERVATIONS = "reservations"
DEAD_LETTERS = "reservations.dlq"
TIMEOUT_S = 10
GONE_S = 20.0


def count(ground: Ground, topic: str) -> int:
    """How many messages were ever put there; 0 where there is no such topic."""
    consumer = Consumer(_settings(ground) | {"group.id": "drill"})
    try:
        found: Any = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=TIMEOUT_S)[1]
            for one in found.partitions
        )
    finally:
        consumer.close()


def reservations_of(ground: Ground, item: int) -> Iterator[str]:
    """The reservation of every event of this item that is in Kafka now."""
    consumer = Consumer(_settings(ground) | {"group.id": "drill"})
    try:
        topic: Any = consumer.list_topics(RESERVATIONS, timeout=TIMEOUT_S).topics[RESERVATIONS]
        begin = [TopicPartition(RESERVATIONS, one, OFFSET_BEGINNING) for one in topic.partitions]
        left = 0
        for one in begin:
            low, high = consumer.get_watermark_offsets(one, timeout=TIMEOUT_S)
            left += high - low
        consumer.assign(begin)
        while left > 0:
            messages = consumer.consume(min(left, 10_000), timeout=5)
            if not messages:
                raise DrillBroken("Kafka does not give what it has")
            left -= len(messages)
            for message in messages:
                if name := _reservation(message.value() or b"", item):
                    yield name
    finally:
        consumer.close()


def put(ground: Ground, topic: str, values: Sequence[bytes]) -> None:
    """Somebody's messages, acknowledged."""
    producer = Producer(_settings(ground) | {"acks": "all"})
    for number, value in enumerate(values):
        producer.produce(topic, value, key=f"stranger-{number}".encode())
    if producer.flush(TIMEOUT_S):
        raise DrillBroken(f"Kafka does not take messages for {topic}")


def drop(ground: Ground, topic: str) -> None:
    """With all that stands in it; returns when it is gone."""
    admin = AdminClient(_settings(ground))
    admin.delete_topics([topic])[topic].result()
    wait_for(
        lambda: topic not in admin.list_topics(timeout=TIMEOUT_S).topics, f"{topic} to go", GONE_S
    )


def make_again(ground: Ground) -> None:
    """As the stack makes them."""
    kafka.create_topics(ground.site)


def _settings(ground: Ground) -> dict[str, Any]:
    # log_level 0: librdkafka would print every refused connection.
    return {"bootstrap.servers": ground.environment["SLUICE_KAFKA_BROKERS"], "log_level": 0}


def _reservation(value: bytes, item: int) -> str:
    """Empty for another item's, a barrier and whatever a stranger has put there."""
    try:
        event = json.loads(value)
    except ValueError:
        return ""
    if not isinstance(event, dict) or event.get("item") != item:
        return ""
    return str(event.get("reservation_id", ""))
