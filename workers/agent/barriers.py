"""What the agent tells the consumers through Kafka; never waits for an acknowledgement."""

import logging
from dataclasses import dataclass, field
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from control_plane.inventory.models import Rearm
from control_plane.orders.services import Request
from workers import barrier
from workers.runtime import kafka
from workers.runtime.clock import Clock
from workers.runtime.verdicts import Unavailable

# How long a Kafka that does not answer holds up a round, and how long it is left alone then.
ASK_S = 0.5
REST_S = 2.0
# One that not all have seen is sent once more after so long: it may have been lost with its topic.
AGAIN_S = 30.0

_log = logging.getLogger(__name__)


@dataclass
class _Sent:
    missing: set[int]
    partitions: int
    failed: list[KafkaError] = field(default_factory=list)


class Barriers:
    """For one thread: the delivery reports come in `send`."""

    def __init__(self, producer: Producer, names: kafka.Names, clock: Clock) -> None:
        self._producer = producer
        self._names = names
        self._clock = clock
        self._sent: dict[UUID, _Sent] = {}
        self._again_at: dict[UUID, float] = {}
        self._rest_until = float("-inf")

    def send(self, rearm: Rearm) -> int | None:
        """Put the barrier into every partition; their number once all are acknowledged, else None.

        To be called again until then. After a restart they are sent again: a barrier may be seen
        twice. Raises Unavailable; KafkaException when the producer is broken for good.
        """
        sent = self._sent.get(rearm.pk)
        if sent is None:
            sent = self._sent[rearm.pk] = self._produce(rearm)
        self._producer.poll(0)
        if sent.failed:
            del self._sent[rearm.pk]
            kafka.raise_for(sent.failed[0])
        if sent.missing:
            return None
        del self._sent[rearm.pk]
        return sent.partitions

    def repeat(self, rearm: Rearm) -> None:
        """Whoever waits for it to be seen calls this; raises as `send` does."""
        now = self._clock.monotonic()
        if now < self._again_at.setdefault(rearm.pk, now + AGAIN_S):
            return
        if self.send(rearm) is not None:
            self._again_at[rearm.pk] = now + AGAIN_S
            _log.warning("barrier of re-arm %s is sent again: not all have seen it", rearm.pk)

    def keep_only(self, rearm_ids: set[UUID]) -> None:
        """Of all others somebody else has seen to the rest."""
        self._sent = {pk: sent for pk, sent in self._sent.items() if pk in rearm_ids}
        self._again_at = {pk: at for pk, at in self._again_at.items() if pk in rearm_ids}

    def send_again(self, requests: list[Request]) -> None:
        """As the relay sends them; who cares whether they arrived looks into PostgreSQL."""
        for one in requests:
            kafka.produce_now(self._producer, self._names.reservations, one.value, key=one.shopper)
        self._producer.poll(0)

    def _produce(self, rearm: Rearm) -> _Sent:
        partitions = self._partitions()
        sent = _Sent(set(range(partitions)), partitions)
        of = rearm.allocation
        value = barrier.encode(rearm.pk, of.item_id, of.shard, of.epoch)

        def note(error: KafkaError | None, message: Message) -> None:
            if (fault := kafka.delivery_fault(error, message)) is not None:
                sent.failed.append(fault)
            else:
                sent.missing.discard(message.partition())

        for partition in range(partitions):
            kafka.produce_now(
                self._producer,
                self._names.reservations,
                value,
                partition=partition,
                on_delivery=note,
            )
        return sent

    def _partitions(self) -> int:
        """As many as the topic has now; asked each time, because topics grow."""
        now = self._clock.monotonic()
        if now < self._rest_until:
            raise Unavailable("Kafka does not answer")
        topic = self._names.reservations
        try:
            known = self._producer.list_topics(topic, timeout=ASK_S).topics[topic]
        except KafkaException as error:
            self._rest_until = now + REST_S
            raise Unavailable(f"Kafka: {error}") from error
        if known.error is not None or not known.partitions:
            raise Unavailable(f"Kafka: topic {topic}: {known.error or 'no partitions'}")
        return len(known.partitions)
