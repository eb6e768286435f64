"""Topic `reservations.dlq` → retry table of the sale database; what is owed → metrics (DESIGN §3).

    python -m workers.compensator

Slow on purpose, and alone with it: dead letters must never cost a sale anything. The attempts at
reservations are the clock's (`control_plane/dead_letters`); those at order events are its second
thread's, which has the consumers' own hands. The third counts what waits for somebody.
"""

import logging
from collections.abc import Sequence

from confluent_kafka import Message

from control_plane.dead_letters.services import ErrorKind, Letter, Source, keep
from workers import replays
from workers.owed import OWED, OwedWatch
from workers.replays import REPLAYS, Replays
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.consumer import TURN, ConsumerLoop, DeadLetter
from workers.runtime.database import unavailable_when_down
from workers.runtime.membership import position_of
from workers.runtime.side_thread import run_beside

GROUP = "compensator"
BATCH_MAX = 100
OUTBOX_SUFFIX = ":outbox"
# What the retry table has room for; Kafka's names and partitions are within it.
NAME_CHARACTERS_MAX = 249
PARTITION_MAX = 2**31 - 1
OFFSET_MAX = 2**63 - 1
_DIGITS_MAX = 19

_log = logging.getLogger("workers.compensator")


class CompensationHandler:
    """Keeps every dead letter once; nothing is announced, and nothing is too bad to be kept."""

    def __init__(self, clock: Clock, names: kafka.Names) -> None:
        self._clock = clock
        self._names = names

    def decode(self, message: Message) -> Letter:
        """The letter, whatever stands in it."""
        headers = _headers(message)
        place = position_of(message)
        source_name = headers.get("source_topic", b"").decode(errors="replace").replace("\0", "")
        partition = _number(headers.get("source_partition"), PARTITION_MAX)
        offset = _number(headers.get("source_offset"), OFFSET_MAX)
        topic = source_name
        is_named = 0 < len(source_name) <= NAME_CHARACTERS_MAX
        if partition is None or offset is None or not is_named:
            # From an outbox, or from nobody knows where: then its own place names it.
            topic, partition, offset = place.topic, place.partition, place.offset
        value = message.value()
        kind = headers.get("error_kind", b"").decode(errors="replace")
        consumer = headers.get("consumer", b"").decode(errors="replace")
        if source_name != self._names.order_events or consumer not in replays.CONSUMERS:
            consumer = ""
        return Letter(
            source=self._source(source_name, consumer),
            source_name=source_name[:NAME_CHARACTERS_MAX],
            topic=topic,
            partition=partition,
            offset=offset,
            payload=value.encode() if isinstance(value, str) else value or b"",
            error_kind=kind if kind in ErrorKind.values else ErrorKind.INVALID,
            error=headers.get("error", b"").decode(errors="replace"),
            consumer=consumer,
        )

    def apply(self, batch: list[Letter]) -> int:
        """Store the batch; raises Unavailable."""
        with unavailable_when_down("default"):
            keep(batch, self._clock.now())
        for one in batch:
            _log.info(
                "dead letter kept: %s", one.error, extra={"source": f"{one.topic}/{one.offset}"}
            )
        metrics.LETTERS_KEPT.inc(len(batch))
        return len(batch)

    def announce(self, applied: int | None, dead: Sequence[DeadLetter]) -> None:
        """Nobody waits for it."""

    def _source(self, name: str, consumer: str) -> str:
        if name == self._names.reservations:
            return Source.RESERVATIONS
        if consumer:
            return Source.ORDER_EVENTS
        return Source.OUTBOX if name.endswith(OUTBOX_SUFFIX) else Source.OTHER


def _headers(message: Message) -> dict[str, bytes]:
    """The last of each name: ours stand behind those that the message came with."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return {
        name: content.encode() if isinstance(content, str) else content or b""
        for name, content in pairs
    }


def _number(text: bytes | None, most: int) -> int | None:
    """None for what is no number, or none of ours: a column has no room for it."""
    if text is None or not text.isdigit() or len(text) > _DIGITS_MAX or int(text) > most:
        return None
    return int(text)


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(
        parts=[TURN, OWED, REPLAYS],
        kafka=True,
        topics=["reservations", "order_events", "dead_letters"],
    )
    env, names = started.env, kafka.Names(started.env.kafka_prefix)
    assert env.kafka_brokers
    settings = kafka.consumer_settings(env.kafka_brokers, names.group(GROUP), env.instance)
    loop: ConsumerLoop[Letter, int] = ConsumerLoop(
        kafka.connect_consumer(settings),
        names.dead_letters,
        CompensationHandler(started.clock, names),
        clock=started.clock,
        stop=started.stop,
        batch_max=BATCH_MAX,
        readiness=started.readiness,
        topics=started.topics,
    )
    watch = OwedWatch(started.clock, started.stop, started.readiness)
    producer = kafka.connect_producer(kafka.producer_settings(env.kafka_brokers))
    handlers = replays.handlers(producer, started.clock, started.stop, names)
    again = Replays(handlers, started.clock, started.stop, started.readiness)
    run_beside(loop.run, [watch, again], started.stop)


if __name__ == "__main__":
    main()
