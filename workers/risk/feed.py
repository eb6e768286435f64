"""The topic `gateway-events` from a minute ago on, all of it.

Not as a member of a group: a group would share the partitions out, by device, and no scorer would
see all that one address or shopper does. Nothing is committed: what is older than the windows is
worth nothing, and what is younger fills them again after a restart.
"""

from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from workers.runtime.clock import Clock, to_ms
from workers.runtime.kafka import ASK_S
from workers.runtime.verdicts import Unavailable

BATCH_MAX = 2000
# The partitions are asked for this often: that is also how an absent Kafka is noticed.
LOOK_EVERY_S = 5.0


def consumer_settings(brokers: str, group: str) -> dict[str, Any]:
    """Settings of a consumer that is given its partitions; the group's name is only required."""
    return {
        "bootstrap.servers": brokers,
        "group.id": group,
        "enable.auto.commit": False,
        # Of a partition whose start is gone by now: what is left. `latest` would skip that too.
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": 16 * 1024,
        "fetch.min.bytes": 1,
        "fetch.wait.max.ms": 50,
        # A topic that is being made is found within that.
        "topic.metadata.refresh.interval.ms": 5000,
    }


class Feed:
    """Events as they come. One thread."""

    def __init__(self, consumer: Consumer, topic: str, clock: Clock, back_s: float) -> None:
        self._consumer = consumer
        self._topic = topic
        self._clock = clock
        self._back_s = back_s
        self._assigned: set[int] = set()
        self._looked_at = float("-inf")

    def read(self, wait_s: float) -> list[Message]:
        """Wait for one message, then what is here already; raises Unavailable now and then."""
        if self._clock.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._look_at_partitions()
            self._looked_at = self._clock.monotonic()
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        found = [first, *self._consumer.consume(BATCH_MAX - 1, 0)]
        return [message for message in found if message.error() is None]

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def _look_at_partitions(self) -> None:
        """Begin with those that are new: a topic that was made, or made larger."""
        try:
            known = self._consumer.list_topics(self._topic, timeout=ASK_S).topics[self._topic]
            if known.error is not None:
                raise Unavailable(f"Kafka: topic {self._topic}: {known.error}")
            new = set(known.partitions) - self._assigned
            if not new:
                return
            self._consumer.incremental_assign(self._beginnings(sorted(new)))
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error}") from error
        self._assigned |= new

    def _beginnings(self, numbers: list[int]) -> list[TopicPartition]:
        """Where each partition is read from, as a number.

        A partition without a message of that time is answered with "the end", which the client
        looks up later, when it fetches: what came in between would be skipped. So the end is asked
        for before.
        """
        partitions = [TopicPartition(self._topic, number) for number in numbers]
        ends = {
            one.partition: self._consumer.get_watermark_offsets(one, timeout=ASK_S)[1]
            for one in partitions
        }
        since_ms = to_ms(self._clock.now()) - int(self._back_s * 1000)
        asked = [TopicPartition(self._topic, number, since_ms) for number in numbers]
        found = self._consumer.offsets_for_times(asked, timeout=ASK_S)
        return [
            TopicPartition(
                self._topic, one.partition, one.offset if one.offset >= 0 else ends[one.partition]
            )
            for one in found
        ]
