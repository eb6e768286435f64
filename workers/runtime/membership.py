"""A member of a consumer group: reading, standing still without leaving, giving partitions back."""

import logging
from collections.abc import Callable
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from workers.runtime import metrics
from workers.runtime.clock import Clock
from workers.runtime.kafka import is_fatal

# A paused consumer polls this often, far below max.poll.interval.ms.
PAUSED_POLL_S = 0.1
# Blocks the member, far below max.poll.interval.ms.
COMMITTED_S = 5.0
# How long a refused commit rests: while the group is shared out anew, each one is refused.
COMMIT_AGAIN_S = 5.0
# The topic is gone. Made again it begins at 0, where an offset of the old one would skip messages.
GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID)

NO_MEMBER = "not a member of the consumer group: Kafka is away or the group has not met yet"

Partitions = set[tuple[str, int]]
Offsets = dict[tuple[str, int], int]

_log = logging.getLogger(__name__)


class Membership:
    """One consumer of one topic. `on_going(partitions, lost)` is called before partitions leave us.

    lost = False: we still own them and may commit; lost = True: somebody else has them already.
    `on_coming(notes)` is told what was committed beside the offsets of partitions that come to us.
    Callbacks run inside `read` and `stand_still` only, in the caller's thread.
    """

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        *,
        clock: Clock,
        stop: Event,
        on_going: Callable[[Partitions, bool], None],
        on_coming: Callable[[list[str]], None] = lambda notes: None,
        is_another: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_another`: the topic has been made again; nothing of the old one is committed then."""
        self._consumer = consumer
        self._topic = topic
        self._clock = clock
        self._stop = stop
        self._on_going = on_going
        self._on_coming = on_coming
        self._is_another = is_another
        self._paused = False
        # What was to be committed and was refused, and what stands beside it.
        self._refused: Offsets = {}
        self._refused_note = ""
        self._commit_again_at = 0.0
        # Why no message can come; partitions may be none, with more members than partitions.
        self.problem: str | None = NO_MEMBER

    def join(self) -> None:
        """Subscribe; partitions come during the next reads."""
        self._consumer.subscribe(
            [self._topic],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def read(self, most: int, wait_s: float) -> list[Message]:
        """Wait for one message, then take what is here already: never waits to fill a batch."""
        if self._paused:
            self._paused = False
            metrics.STALLED.labels(self._topic).set(0)
            self._consumer.resume(self._consumer.assignment())
        first = self._consumer.poll(wait_s)
        if first is None:
            self._commit_again()
            return []
        found = [first, *self._consumer.consume(most - 1, 0)]
        return [message for message in found if not _is_error(message)]

    def stand_still(self, seconds: float) -> None:
        """Let time pass, or the stop come, without taking messages; the group keeps us.

        A consumer that does not poll for max.poll.interval.ms is thrown out, so it polls with every
        partition paused until the next `read`.
        """
        if not self._paused:
            self._paused = True
            metrics.STALLED.labels(self._topic).set(1)
            self._consumer.pause(self._consumer.assignment())
        until = self._clock.monotonic() + seconds
        while True:
            left_s = max(until - self._clock.monotonic(), 0)
            message = self._consumer.poll(min(left_s, PAUSED_POLL_S))
            if message is not None and not _is_error(message):
                # It was on its way when its partition was paused: have it delivered again.
                self._consumer.seek(position_of(message))
            if left_s == 0 or self._stop.is_set():
                return

    def commit(self, offsets: Offsets, note: str = "") -> None:
        """Blocking. What is refused goes with the next commit, or when there is nothing to read.

        By then the partition may have left us: its messages will be read again by its next owner.
        `note` stands beside the offsets, for whoever has these partitions next.
        """
        if not offsets or self._is_another():
            return
        offsets = self._refused | offsets
        positions = [
            TopicPartition(topic, number, at, note) for (topic, number), at in offsets.items()
        ]
        try:
            self._consumer.commit(offsets=positions, asynchronous=False)
            self._refused = {}
        except KafkaException as error:
            if is_fatal(error.args[0]):
                raise
            is_gone = error.args[0].code() in GONE
            self._refused, self._refused_note = ({} if is_gone else offsets), note
            self._commit_again_at = self._clock.monotonic() + COMMIT_AGAIN_S
            metrics.COMMIT_FAILURES.labels(self._topic).inc()
            _log.warning("offsets not committed: %s", error)

    def _commit_again(self) -> None:
        """Else a topic that has come to rest would seem to have a backlog until it goes on."""
        if not self._refused or self._clock.monotonic() < self._commit_again_at:
            return
        # It blocks while there is no coordinator.
        if self.problem is None and not self._stop.is_set():
            self.commit(self._refused, self._refused_note)

    def leave(self) -> None:
        """Close. The static id keeps the partitions for a restart within the session timeout."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        self.problem = None
        self._on_coming(_notes(consumer, partitions))
        # One that left us while it was paused is so still: librdkafka keeps that over assignments.
        if self._paused:
            consumer.pause(partitions)
        else:
            consumer.resume(partitions)
        _log.info("assigned partitions %s", _numbers(partitions))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._on_going(_names(partitions), False)
        self._forget(partitions)
        consumer.incremental_unassign(partitions)
        _log.info("revoked partitions %s", _numbers(partitions))

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._on_going(_names(partitions), True)
        self._forget(partitions)
        consumer.incremental_unassign(partitions)
        self.problem = NO_MEMBER
        _log.warning("lost partitions %s", _numbers(partitions))

    def _forget(self, partitions: list[TopicPartition]) -> None:
        """Their next owner commits for them; an older offset of ours would take his back."""
        for partition in _names(partitions):
            self._refused.pop(partition, None)


def _notes(consumer: Consumer, partitions: list[TopicPartition]) -> list[str]:
    """What stands beside the offsets; nothing when Kafka does not say, and we begin without."""
    try:
        committed = consumer.committed(partitions, timeout=COMMITTED_S)
    except KafkaException as error:
        _log.warning("what stands beside the offsets is unknown: %s", error)
        return []
    return [one.metadata for one in committed if one.metadata]


def next_offsets(messages: list[Message]) -> Offsets:
    """Where each partition goes on after these messages."""
    last_of_partition = {message.partition(): message for message in messages}
    positions = [position_of(message) for message in last_of_partition.values()]
    return {(at.topic, at.partition): at.offset + 1 for at in positions}


def position_of(message: Message) -> TopicPartition:
    """Where a message that was consumed came from."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    # The client's types allow for messages that were never sent; a consumed one has a place.
    assert topic is not None and partition is not None and offset is not None
    return TopicPartition(topic, partition, offset)


def _is_error(message: Message) -> bool:
    """True for an event that is not a message; raises when the consumer is broken for good.

    Being fenced by a second process with our group.instance.id is such an end.
    """
    error = message.error()
    if error is None:
        return False
    if is_fatal(error):
        raise KafkaException(error)
    if error.code() != KafkaError._PARTITION_EOF:
        _log.warning("kafka consumer: %s", error.str(), extra={"kafka_error": error.name()})
    return True


def _names(partitions: list[TopicPartition]) -> Partitions:
    return {(partition.topic, partition.partition) for partition in partitions}


def _numbers(partitions: list[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)
