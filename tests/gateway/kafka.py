"""The test stack's Kafka as a gateway's case sees it: a topic of its own, and what stands in it."""

import json
import os
import uuid
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.redis.waiting import until

PARTITIONS = 4


class EventTopic:
    """`gateway-events` under a prefix that nobody else has."""

    def __init__(self) -> None:
        self.brokers = os.environ["SLUICE_KAFKA_BROKERS"]
        self.prefix = f"t{uuid.uuid4().hex[:12]}."
        self.name = f"{self.prefix}gateway-events"
        self._admin = AdminClient({"bootstrap.servers": self.brokers})
        self._read: list[dict[str, Any]] = []
        settings = {"bootstrap.servers": self.brokers, "group.id": self.prefix}
        self._consumer = Consumer(settings | {"enable.auto.commit": False})

    def create(self) -> None:
        """Make it, and begin to read."""
        (done,) = self._admin.create_topics([NewTopic(self.name, PARTITIONS, 1)]).values()
        done.result(15)
        self._consumer.assign([TopicPartition(self.name, one, 0) for one in range(PARTITIONS)])

    def delete(self) -> None:
        """Remove it."""
        self._consumer.close()
        (done,) = self._admin.delete_topics([self.name]).values()
        done.result(15)

    def events(self, item: int) -> list[dict[str, Any]]:
        """What the gateway has told of an item so far, with `_key` and `_partition`."""
        for message in self._consumer.consume(10_000, 0.1):
            error, key, value = message.error(), message.key(), message.value()
            assert error is None and key is not None and value is not None, error
            place = {"_key": key.decode(), "_partition": message.partition()}
            self._read.append(json.loads(value) | place)
        return [one for one in self._read if one["item"] == item]

    def wait_for(self, item: int, count: int) -> list[dict[str, Any]]:
        """The events of an item, once there are so many."""
        until(lambda: len(self.events(item)) >= count, f"{count} events of item {item}")
        return self.events(item)
