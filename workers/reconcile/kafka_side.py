"""Kafka's side of a comparison: the campaign's messages, streamed into Parquet. Reads only."""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from control_plane.orders.services import Intent
from control_plane.reconciliation.sides import Writer
from workers import inventory_consumer, order_consumer, order_events
from workers.intent import message_of
from workers.runtime.kafka import Names
from workers.runtime.verdicts import InvalidMessage, Unavailable

CALL_S = 10.0
# Without a message for so long the broker does not answer.
SILENCE_S = 30.0
BATCH = 5_000
# Clocks of two hosts. Nothing of a campaign is reserved before its start.
EARLIER = timedelta(minutes=5)


class Before(NamedTuple):
    """Read in front of PostgreSQL: what is behind these offsets may not have been landed yet."""

    # By partition of `reservations`.
    landed: dict[int, int]
    # By partition of `order-events`: the warehouse has heard what stands in front.
    heard: dict[int, int]


class Messages(NamedTuple):
    """`not_landed`: behind the consumers' offsets. `since_ms`: from then on nothing is missing."""

    rows: int
    unheard: int
    not_landed: int
    since_ms: int


def _reading(brokers: str, group: str) -> Consumer:
    """Joins nothing and commits nothing: partitions are assigned by hand."""
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 16 * 1024,
            "log_level": 0,
        }
    )


class KafkaSide:
    """One look at the topics; raises Unavailable."""

    def __init__(self, brokers: str, names: Names) -> None:
        self._brokers = brokers
        self._names = names

    def before(self) -> Before:
        """What the consumers have behind them now."""
        try:
            return Before(
                self._committed(order_consumer.GROUP, self._names.reservations),
                self._committed(inventory_consumer.GROUP, self._names.order_events),
            )
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error}") from error

    def export(
        self, folder: Path, items: Sequence[int], since: datetime, before: Before
    ) -> Messages:
        """The messages of these items from `since` (the sale's start) to now.

        And what the warehouse had not heard: it is read last, so that an event that was sent since
        the databases were read is among it.
        """
        consumer = _reading(self._brokers, self._names.group("reconcile"))
        try:
            return self._export(consumer, folder, frozenset(items), since, before)
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error}") from error
        finally:
            consumer.close()

    def values_at(self, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """What stands at (partition, offset), by one consumer; not what is gone.

        Raises Unavailable.
        """
        wanted = set(places)
        if not wanted:
            return {}
        consumer = _reading(self._brokers, self._names.group("reconcile"))
        try:
            return self._values_at(consumer, wanted)
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error}") from error
        finally:
            consumer.close()

    def _values_at(
        self, consumer: Consumer, wanted: set[tuple[int, int]]
    ) -> dict[tuple[int, int], bytes]:
        topic = self._names.reservations
        left: dict[int, list[int]] = {}
        for number in {partition for partition, _ in wanted}:
            place = TopicPartition(topic, number)
            low, high = consumer.get_watermark_offsets(place, timeout=CALL_S)
            left[number] = sorted(at for one, at in wanted if one == number and low <= at < high)
        found = {}
        while left := {number: some for number, some in left.items() if some}:
            # Neighbours in one go, and not what lies between those far from each other.
            ends = {
                number: max(at for at in some if at < some[0] + BATCH) + 1
                for number, some in left.items()
            }
            consumer.assign([TopicPartition(topic, one, some[0]) for one, some in left.items()])
            for message in _until_end(consumer, ends):
                place_of = (message.partition() or 0, message.offset() or 0)
                value = message.value()
                if place_of in wanted and isinstance(value, bytes):
                    found[place_of] = value
            left = {one: [at for at in some if at >= ends[one]] for one, some in left.items()}
        return found

    def _export(
        self,
        consumer: Consumer,
        folder: Path,
        items: frozenset[int],
        since: datetime,
        before: Before,
    ) -> Messages:
        topic = self._names.reservations
        numbers = _partitions(consumer, topic)
        ends, first_ms, cut_off = _extent(self._brokers, self._names, topic, numbers)
        at_ms = int((since - EARLIER).timestamp() * 1000)
        starts = consumer.offsets_for_times(
            [TopicPartition(topic, number, at_ms) for number in numbers], timeout=CALL_S
        )
        wanted = [one for one in starts if 0 <= one.offset < ends[one.partition]]
        not_landed = 0
        with Writer(folder, "messages") as file:
            if wanted:
                consumer.assign(wanted)
            for message in _until_end(
                consumer, {one.partition: ends[one.partition] for one in wanted}
            ):
                row = _row(message, items, before.landed)
                if row is not None:
                    not_landed += not row[-1]
                    file.add([row])
        unheard = self._export_unheard(folder, items, before.heard)
        # What retention took away tells nothing, and a topic that was made anew begins with its
        # first message.
        known_ms = max(cut_off) if cut_off else min(first_ms, default=int(time.time() * 1000))
        return Messages(file.count, unheard, not_landed, known_ms)

    def _committed(self, group: str, topic: str) -> dict[int, int]:
        consumer = _reading(self._brokers, self._names.group(group))
        try:
            wanted = [TopicPartition(topic, one) for one in _partitions(consumer, topic)]
            found = consumer.committed(wanted, timeout=CALL_S)
            return {one.partition: max(one.offset, 0) for one in found}
        finally:
            consumer.close()

    def _export_unheard(self, folder: Path, items: frozenset[int], heard: dict[int, int]) -> int:
        """Behind these offsets, by order: times would not do, since an event may be sent late."""
        topic = self._names.order_events
        consumer = _reading(self._brokers, self._names.group("reconcile"))
        try:
            starts, ends = {}, {}
            for number, offset in heard.items():
                low, high = consumer.get_watermark_offsets(
                    TopicPartition(topic, number), timeout=CALL_S
                )
                if max(offset, low) < high:
                    starts[number], ends[number] = max(offset, low), high
            with Writer(folder, "unheard") as file:
                if starts:
                    consumer.assign([TopicPartition(topic, *one) for one in starts.items()])
                for message in _until_end(consumer, ends):
                    row = _movement(message, items)
                    if row is not None:
                        file.add([row])
            return file.count
        finally:
            consumer.close()


def _extent(
    brokers: str, names: Names, topic: str, numbers: Sequence[int]
) -> tuple[dict[int, int], list[int], list[int]]:
    """By partition where it ends now; times of the first messages, and of those cut off before."""
    consumer = _reading(brokers, names.group("reconcile"))
    try:
        lows, ends = {}, {}
        for number in numbers:
            place = TopicPartition(topic, number)
            lows[number], ends[number] = consumer.get_watermark_offsets(place, timeout=CALL_S)
        filled = {number: low for number, low in lows.items() if low < ends[number]}
        if not filled:
            return ends, [], []
        consumer.assign([TopicPartition(topic, *one) for one in filled.items()])
        firsts: dict[int | None, int] = {}
        for message in _until_end(consumer, {number: low + 1 for number, low in filled.items()}):
            firsts.setdefault(message.partition(), _at_ms(message))
        cut_off = [at for number, at in firsts.items() if number is not None and lows[number] > 0]
        return ends, list(firsts.values()), cut_off
    finally:
        consumer.close()


def _until_end(consumer: Consumer, ends: dict[int, int]) -> Iterator[Message]:
    """Messages of the assigned partitions up to these offsets; raises Unavailable."""
    open_ones = dict(ends)
    give_up = time.monotonic() + SILENCE_S
    while open_ones:
        for message in consumer.consume(BATCH, 0.5):
            give_up = time.monotonic() + SILENCE_S
            number, offset = message.partition(), message.offset()
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                open_ones.pop(number, None)  # type: ignore[arg-type]
                continue
            assert number is not None and offset is not None
            end = open_ones.get(number)
            if end is None:
                continue
            if offset + 1 >= end:
                del open_ones[number]
            if offset < end:
                yield message
        if time.monotonic() > give_up:
            raise Unavailable("Kafka: no messages for half a minute")


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    known = consumer.list_topics(topic, timeout=CALL_S).topics[topic]
    if known.error is not None:
        raise Unavailable(f"Kafka: topic {topic}: {known.error}")
    return sorted(known.partitions)


def _row(message: Message, items: frozenset[int], landed: dict[int, int]) -> tuple[Any, ...] | None:
    """None for barriers, others' items, and what nobody can read: that is a dead letter."""
    number, offset, value = message.partition(), message.offset(), message.value()
    assert number is not None and offset is not None
    try:
        one = message_of(value if isinstance(value, bytes) else None, number)
    except InvalidMessage:
        return None
    if not isinstance(one, Intent) or one.item not in items:
        return None
    who = (one.item, one.shard, one.epoch, one.shopper, one.reservation_id, one.qty)
    return (number, offset, _at_ms(message), *who, offset < landed.get(number, 0))


def _movement(message: Message, items: frozenset[int]) -> tuple[int, str] | None:
    """None for what moves nothing in the warehouse, and what nobody can read."""
    value = message.value()
    try:
        one = order_events.read_movement(value if isinstance(value, bytes) else None)
    except InvalidMessage:
        return None
    return None if one is None or one.item not in items else (one.order_id, one.kind)


def _at_ms(message: Message) -> int:
    return int(message.timestamp()[1])
