"""Kafka for a test: topics that nobody else has, messages put in and read out."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from workers.runtime import kafka
from workers.runtime.kafka import Names

DEADLINE_S = 60.0
PARTITIONS = {"reservations": 8, "order_events": 8, "gateway_events": 4, "dead_letters": 1}


class Broker:
    """The topics under one prefix."""

    def __init__(self, brokers: str, names: Names) -> None:
        self.brokers = brokers
        self.names = names
        self._admin = AdminClient({"bootstrap.servers": brokers})
        self._topics = {getattr(names, name): number for name, number in PARTITIONS.items()}

    def create_topics(self) -> None:
        """All topics of the workers."""
        wanted = [NewTopic(topic, number, 1) for topic, number in self._topics.items()]
        for done in self._admin.create_topics(wanted).values():
            done.result(DEADLINE_S)

    def delete_topics(self) -> None:
        """All of them."""
        for done in self._admin.delete_topics(list(self._topics)).values():
            done.result(DEADLINE_S)

    def there(self) -> set[str]:
        """Those of its topics that exist."""
        return set(self._topics) & set(self._admin.list_topics(timeout=DEADLINE_S).topics)

    def producer(self) -> Producer:
        """With the workers' own settings."""
        return kafka.connect_producer(kafka.producer_settings(self.brokers))

    def put(
        self,
        topic: str,
        messages: Iterable[tuple[str | None, bytes]],
        partition: int | None = None,
    ) -> None:
        """Produce (key, value) pairs and wait for the acknowledgement."""
        producer = self.producer()
        place: dict[str, Any] = {} if partition is None else {"partition": partition}
        for key, value in messages:
            producer.produce(topic, value, key, **place)
        assert producer.flush(DEADLINE_S) == 0

    def read(self, topic: str) -> list[Message]:
        """Everything that stands in the topic now, partition by partition."""
        settings = {"bootstrap.servers": self.brokers, "group.id": "unused"}
        consumer = Consumer(settings | {"enable.auto.commit": False})
        found: list[Message] = []
        try:
            partitions = [TopicPartition(topic, number, 0) for number in range(self._topics[topic])]
            ends = [_end(consumer, one) for one in partitions]
            consumer.assign(partitions)
            end = time.monotonic() + DEADLINE_S
            while len(found) < sum(ends):
                assert time.monotonic() < end, f"{len(found)} of {sum(ends)} messages of {topic}"
                found += [message for message in consumer.consume(1000, 0.2) if not message.error()]
        finally:
            consumer.close()
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The order events of one type."""
        values = [json.loads(_value(one)) for one in self.read(self.names.order_events)]
        return [value for value in values if value["type"] == kind]

    def committed(self, group: str, topic: str) -> int:
        """How many messages of the topic the group has behind it."""
        consumer = Consumer(
            {"bootstrap.servers": self.brokers, "group.id": self.names.group(group)}
        )
        try:
            partitions = [TopicPartition(topic, number) for number in range(self._topics[topic])]
            offsets: Sequence[TopicPartition] = consumer.committed(partitions, timeout=DEADLINE_S)
            return sum(max(one.offset, 0) for one in offsets)
        finally:
            consumer.close()

    def rewind(self, group: str, topic: str, instance: str = "test") -> None:
        """Commit offset 0 everywhere, as the member `instance`, which has stopped."""
        settings = kafka.consumer_settings(self.brokers, self.names.group(group), instance)
        consumer = kafka.connect_consumer(settings)
        try:
            consumer.subscribe([topic])
            end = time.monotonic() + DEADLINE_S
            while len(owned := consumer.assignment()) < self._topics[topic]:
                assert time.monotonic() < end, f"{len(owned)} partitions of {topic} assigned"
                consumer.poll(0.1)
            start = [TopicPartition(topic, one.partition, 0) for one in owned]
            consumer.commit(offsets=start, asynchronous=False)
        finally:
            consumer.close()


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """Behind its last message. A topic that was just made may have no leader for a moment."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=DEADLINE_S)[1])
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            assert time.monotonic() < end, f"{partition} has no leader"


def _value(message: Message) -> bytes:
    value = message.value()
    assert isinstance(value, bytes)
    return value
