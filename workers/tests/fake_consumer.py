"""A Kafka consumer without Kafka: one partition's messages, and rebalances when the test wants."""

from collections import deque
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition


class FakeMessage:
    """What the loop asks of a message."""

    def __init__(self, value: bytes, offset: int, partition: int = 0) -> None:
        self._value, self._offset, self._partition = value, offset, partition

    def value(self) -> bytes:
        return self._value

    def topic(self) -> str:
        return "topic"

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> None:
        return None


class FakeConsumer:
    """Gives out messages in the batches they were put in; notes what was committed."""

    def __init__(self) -> None:
        self.batches: deque[list[FakeMessage]] = deque()
        self.commits: list[dict[int, int]] = []
        # Beside the offsets of each commit; what is read back when partitions are assigned.
        self.notes: list[str] = []
        # How many commits are refused, as they are while the group is shared out anew.
        self.refuse_commits = 0
        self.refusal = KafkaError.ILLEGAL_GENERATION
        self.paused: set[int] = set()
        self.polls_while_paused = 0
        self.sought: list[TopicPartition] = []
        self.closed = False
        self.on_poll: Callable[[FakeConsumer], None] = lambda _: None
        self._rest: list[FakeMessage] = []
        self._assigned = {0}

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def poll(self, timeout: float) -> FakeMessage | None:
        self.on_poll(self)
        if self.paused:
            self.polls_while_paused += 1
            return None
        if not self.batches:
            return None
        first, *self._rest = self.batches.popleft()
        return first

    def consume(self, most: int, timeout: float) -> list[FakeMessage]:
        rest, self._rest = self._rest, []
        return rest

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("topic", number) for number in sorted(self._assigned)]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {one.partition for one in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {one.partition for one in partitions}

    def seek(self, partition: TopicPartition) -> None:
        self.sought.append(partition)

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert not asynchronous
        if self.refuse_commits:
            self.refuse_commits -= 1
            raise KafkaException(KafkaError(self.refusal))
        self.commits.append({one.partition: one.offset for one in offsets})
        self.notes += {one.metadata or "" for one in offsets}

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [
            TopicPartition(one.topic, one.partition, 0, note)
            for one in partitions
            for note in self.notes[-1:]
        ]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._assigned |= {one.partition for one in partitions}

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self._assigned -= {one.partition for one in partitions}

    def close(self) -> None:
        self.closed = True

    def rebalance(self, callback: str, *partitions: int) -> None:
        """Call on_assign, on_revoke or on_lost as librdkafka does: from inside a poll."""
        self.callbacks[callback](self, [TopicPartition("topic", one) for one in partitions])
