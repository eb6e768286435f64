"""Kafka clients with every setting that matters written down.

A producer is made once per process: one per request would open connections for each message and
leave unflushed messages behind.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from workers.runtime.verdicts import Unavailable

SESSION_TIMEOUT_MS = 10_000
MAX_POLL_INTERVAL_MS = 120_000
# A topic that was deleted and made again has no member until somebody looks: by default that is
# after five minutes, in which no order is made and nobody complains.
METADATA_MS = 10_000
FLUSH_SLICE_S = 0.25
# As the client knows it, and as a broker says it.
MISSING = (
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
ASK_S = 2.0
assert SESSION_TIMEOUT_MS < MAX_POLL_INTERVAL_MS

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Names:
    """Topics and groups. A prefix lets several installations, or tests, share a broker."""

    prefix: str = ""

    @property
    def reservations(self) -> str:
        """Intents of the gateways, as the relay found them."""
        return f"{self.prefix}reservations"

    @property
    def order_events(self) -> str:
        """What became of them, and what the warehouse did."""
        return f"{self.prefix}order-events"

    @property
    def gateway_events(self) -> str:
        """What became of every purchase, as the gateways tell the risk scorer."""
        return f"{self.prefix}gateway-events"

    @property
    def dead_letters(self) -> str:
        """Messages nobody understood."""
        return f"{self.prefix}reservations.dlq"

    def group(self, name: str) -> str:
        """A consumer group's full name."""
        return f"{self.prefix}{name}"


class Outgoing(NamedTuple):
    """A message to be produced."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


# A broker behind a cut line refuses nothing and answers nothing. The client's own minute of
# patience outlives the session: the member is given up, joins anew and is fenced by itself.
WIRE_SETTINGS = {
    "socket.timeout.ms": SESSION_TIMEOUT_MS * 6 // 10,
    "socket.connection.setup.timeout.ms": SESSION_TIMEOUT_MS * 4 // 10,
}


def consumer_settings(brokers: str, group: str, instance: str) -> dict[str, Any]:
    """Settings of a consumer in `group`; `instance` must be unique in it and survive a restart."""
    return {
        "bootstrap.servers": brokers,
        "group.id": group,
        # Static membership: a restarted worker gets its partitions back without a rebalance.
        "group.instance.id": f"{group}-{instance}",
        # Only the partitions that move stop; an "eager" rebalance stops all of them.
        "partition.assignment.strategy": "cooperative-sticky",
        # A group without an offset begins at the first message. `latest` would skip reservations.
        "auto.offset.reset": "earliest",
        # Offsets are committed after the database has committed, by the loop.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # How long a dead worker's partitions wait for it to come back.
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": SESSION_TIMEOUT_MS // 4,
        # A loop that does not poll for this long has lost its partitions.
        "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
        # Read ahead little: a stalled consumer must not fill its memory with the topic.
        "queued.max.messages.kbytes": 16 * 1024,
        "topic.metadata.refresh.interval.ms": METADATA_MS,
        # The broker answers as soon as there is anything; batches form while the last one lands.
        "fetch.min.bytes": 1,
        "fetch.wait.max.ms": 100,
        **WIRE_SETTINGS,
    }


def producer_settings(brokers: str) -> dict[str, Any]:
    """Settings of the process's one producer."""
    return {
        "bootstrap.servers": brokers,
        # The broker drops librdkafka's own retries, and one partition's order survives them.
        "enable.idempotence": True,
        "acks": "all",
        # The same partition for the same key as the Java clients; librdkafka's default is CRC32.
        "partitioner": "murmur2_random",
        # Never give up on a message: callers bound what is in flight and wait (back-pressure).
        "message.timeout.ms": 0,
        "topic.metadata.refresh.interval.ms": METADATA_MS,
        # One partition's next request leaves with what came in this time.
        "linger.ms": 2,
        "compression.type": "lz4",
        **WIRE_SETTINGS,
    }


def connect_consumer(settings: dict[str, Any]) -> Consumer:
    """A consumer that logs the client's complaints; lost connections heal by themselves."""
    return Consumer(settings | {"error_cb": _log_error}, logger=_log)


def connect_producer(settings: dict[str, Any]) -> Producer:
    """A producer that logs the client's own complaints."""
    return Producer(settings | {"error_cb": _log_error}, logger=_log)


def ask(producer: Producer, topic: str) -> None:
    """Have a broker say that it knows the topic; raises Unavailable. Only for readiness."""
    try:
        known = producer.list_topics(topic, timeout=ASK_S).topics[topic]
    except KafkaException as error:
        raise Unavailable(f"Kafka: {error}") from error
    if known.error is not None:
        raise Unavailable(f"Kafka: topic {topic}: {known.error}")


def delivery_fault(error: KafkaError | None, message: Message) -> KafkaError | None:
    """What keeps a delivery report from being a yes; None when the message stands in the topic.

    A report without an error and without an offset is no yes. Of several requests in flight to a
    partition that has just come up, the first may be refused and the second taken; librdkafka sees
    the first one's retry refused as out of sequence, takes it for one that had arrived, and
    reports success (KAFKA-15591; one in 25 runs of test_relay.py on fresh topics lost a message
    so). It may also have arrived: then sending it again makes a duplicate, which landing knows.
    """
    offset = message.offset()
    if error is None and (offset is None or offset < 0):
        return KafkaError(KafkaError._FAIL, "reported as delivered without an offset")
    return error


def deliver(
    producer: Producer,
    messages: Iterable[Outgoing],
    stop: Event,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Produce all and wait until the brokers have acknowledged each; blocking, may be repeated.

    `meanwhile` runs while they are on their way. Waits as long as Kafka is down. Raises Unavailable
    when asked to stop meanwhile or when a message was refused for a passing reason, KafkaException
    when the producer is broken for good.
    """
    failures: list[KafkaError] = []

    def note(error: KafkaError | None, message: Message) -> None:
        offset = message.offset()
        # Nearly every one: asking takes as long again as all the rest of it.
        if error is None and offset is not None and offset >= 0:
            return
        if (fault := delivery_fault(error, message)) is not None:
            failures.append(fault)

    for message in messages:
        _produce(producer, message, note, stop)
    if meanwhile is not None:
        meanwhile()
    while producer.flush(FLUSH_SLICE_S) > 0:
        if stop.is_set():
            raise Unavailable("Kafka did not acknowledge before the stop")
    if failures:
        raise_for(failures[0])


def produce_now(producer: Producer, topic: str, value: str | bytes, **more: Any) -> None:
    """Hand it to the client; raises Unavailable where that takes none, or knows no such topic."""
    try:
        producer.produce(topic, value, **more)
    except BufferError as error:
        raise Unavailable(f"Kafka: {error}") from error
    except KafkaException as error:
        raise _of_topic(topic, error) from error


def _produce(producer: Producer, message: Outgoing, note: Any, stop: Event) -> None:
    topic, key, value, headers = message
    while True:
        try:
            if headers:
                producer.produce(topic, value, key, headers=list(headers), on_delivery=note)
            else:
                producer.produce(topic, value, key, on_delivery=note)
            return
        except BufferError:
            # The local queue is full because the brokers take nothing: wait for room.
            producer.poll(FLUSH_SLICE_S)
            if stop.is_set():
                raise Unavailable("Kafka took no more messages before the stop") from None
        except KafkaException as error:
            raise _of_topic(topic, error) from error


def _of_topic(topic: str, error: KafkaException) -> Exception:
    """What to raise for a message that the client refused: Unavailable where the topic may come."""
    if is_missing(error.args[0]):
        return Unavailable(f"Kafka: topic {topic}: {error}")
    return error


def raise_for(error: KafkaError) -> None:
    """A broken producer ends the process; anything else is worth another try."""
    if is_fatal(error):
        raise KafkaException(error)
    raise Unavailable(f"Kafka refused a message: {error}")


def is_fatal(error: KafkaError) -> bool:
    """True when the client will never work again; it says so by a flag here, by a code there."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL


def is_missing(error: KafkaError) -> bool:
    """True when there is no such topic, or partition of it; it may come, or come again."""
    return error.code() in MISSING


def _log_error(error: KafkaError) -> None:
    _log.warning("kafka client: %s", error.str(), extra={"kafka_error": error.name()})
