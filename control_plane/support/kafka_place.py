"""Where the message of a reservation stands in topic `reservations`, looked up when asked.

Nobody writes it down for each order: landing them would be slower for it. A message is found by the
time of the click and by its shopper, whose messages all stand in one partition.
"""

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from confluent_kafka import Consumer, KafkaException, TopicPartition
from django.conf import settings

TOPIC = "reservations"
# A page waits for it.
LIMIT_S = 4.0
CALL_S = 2.0
MESSAGES_MAX = 200_000
# Clocks of two hosts; and the relay may have been behind by so much.
EARLIER = timedelta(seconds=5)
LATER = timedelta(hours=1)

_one_at_a_time = threading.Semaphore(1)


class CannotSay(Exception):
    """No Kafka here, it does not answer, somebody else is looking, or it took too long."""


@dataclass(frozen=True)
class Place:
    """Where it stands, and what its header says of where it was before."""

    topic: str
    partition: int
    offset: int
    at: datetime
    outbox: str


def find(reservation_id: str, shopper: str, clicked_at: datetime) -> Place | None:
    """The first message of it; None where it certainly is not (any more). Raises CannotSay."""
    brokers = settings.ENV.kafka_brokers
    if not brokers:
        raise CannotSay("SLUICE_KAFKA_BROKERS")
    if not _one_at_a_time.acquire(blocking=False):
        raise CannotSay("busy")
    try:
        return _find(brokers, reservation_id, shopper.encode(), clicked_at)
    except KafkaException as error:
        raise CannotSay(str(error)) from error
    finally:
        _one_at_a_time.release()


def _find(brokers: str, reservation_id: str, key: bytes, clicked_at: datetime) -> Place | None:
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            # Joins nothing and commits nothing: partitions are assigned by hand.
            "group.id": "support-view",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "log_level": 0,
        }
    )
    try:
        return _read(consumer, reservation_id.encode(), key, clicked_at)
    finally:
        consumer.close()


def _read(consumer: Consumer, name: bytes, key: bytes, clicked_at: datetime) -> Place | None:
    known = consumer.list_topics(TOPIC, timeout=CALL_S).topics[TOPIC]
    if known.error is not None:
        raise CannotSay(str(known.error))
    partition = murmur2(key) % len(known.partitions)
    since_ms = int((clicked_at - EARLIER).timestamp() * 1000)
    (start,) = consumer.offsets_for_times(
        [TopicPartition(TOPIC, partition, since_ms)], timeout=CALL_S
    )
    _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=CALL_S)
    if start.offset < 0 or start.offset >= end:
        return None
    consumer.assign([start])
    give_up = time.monotonic() + LIMIT_S
    until_ms = int((clicked_at + LATER).timestamp() * 1000)
    needle = b'"reservation_id":"' + name + b'"'
    for _ in range(MESSAGES_MAX):
        message = consumer.poll(max(0.0, give_up - time.monotonic()))
        if message is None:
            raise CannotSay("time")
        if message.error() is not None:
            raise CannotSay(str(message.error()))
        offset, (_kind, at_ms) = message.offset(), message.timestamp()
        assert offset is not None
        if message.key() == key and needle in (message.value() or b""):
            at = datetime.fromtimestamp(at_ms / 1000, clicked_at.tzinfo)
            return Place(TOPIC, partition, offset, at, _outbox(message.headers()))
        if offset + 1 >= end or at_ms > until_ms:
            return None
    raise CannotSay("too many messages")


def _outbox(headers: object) -> str:
    for name, value in headers or ():  # type: ignore[attr-defined]
        if name == "outbox":
            return value.decode() if isinstance(value, bytes) else str(value)
    return ""


def murmur2(data: bytes) -> int:
    """The Java clients' hash of a key (org.apache.kafka.common.utils.Utils), 31 bits of it."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    h = (0x9747B28C ^ length) & mask
    for at in range(0, length - 3, 4):
        k = int.from_bytes(data[at : at + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        h = ((h * m) & mask) ^ ((k * m) & mask)
    rest = data[length - length % 4 :]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    h ^= h >> 15
    return h & 0x7FFFFFFF
