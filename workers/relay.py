"""Outbox streams of the stock Redis → topic `reservations`, at least once (DESIGN §4.7).

    python -m workers.relay

An entry is acknowledged in Redis only after Kafka has acknowledged every intent in it, so a relay
may die anywhere: its entries stay pending and are delivered again, by itself or by another relay.
A relay that stood still for long delivers what others have delivered meanwhile; landing knows it.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from threading import Event

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from control_plane.config import tracing
from workers import followed
from workers.database_relay import DATABASE, DatabaseRelay
from workers.outbox_keeper import KEEPER_PARTS, OutboxKeeper
from workers.relayed_topic import RelayedTopic
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.readiness import Readiness
from workers.runtime.topic_watch import TopicWatch
from workers.runtime.verdicts import InvalidMessage
from workers.stock.cluster import StockClusters
from workers.stock.keys import Shard
from workers.stock.outbox import Entry, OutboxReader, request_of

# What may wait for Kafka: 20,000 intents are 6 MB here and in librdkafka's queue, a fifth of what
# that takes. More stays in Redis.
IN_FLIGHT_MAX = 20_000
ENTRIES_A_READ_MAX = 32
# MAX_REQUESTS of lua/reserve.lua. An entry is read only where even the largest one has room.
INTENTS_AN_ENTRY_MAX = 1024
assert IN_FLIGHT_MAX >= INTENTS_AN_ENTRY_MAX
# With nothing to read it looks again after 2 ms, then more and more seldom.
IDLE_FIRST_S = 0.002
IDLE_MAX_S = 0.02
CLAIM_EVERY_S = 1.0
SEND_AGAIN_S = 1.0
STOP_WAIT_S = 10.0
LAST_ACKNOWLEDGEMENT_S = 1.0
TURN = "turn"

_log = logging.getLogger("workers.relay")


class _Delivery:
    """One entry on its way: how many of its intents Kafka has taken and not acknowledged."""

    __slots__ = ("entry", "failed", "missing", "queued")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.missing = len(entry.lines)
        self.queued = 0
        self.failed: KafkaError | None = None


class Relay:
    """Moves entries from the reader to Kafka. One thread; the delivery callbacks run in `turn`."""

    def __init__(
        self,
        reader: OutboxReader,
        producer: Producer,
        clock: Clock,
        names: kafka.Names,
    ) -> None:
        self._reader = reader
        self._producer = producer
        self._clock = clock
        self._names = names
        # Entries that we hold: on their way to Kafka, or there and not yet acknowledged in Redis.
        self._held: dict[tuple[Shard, bytes], Entry] = {}
        self._held_of: Counter[Shard] = Counter()
        self._in_flight = 0
        self._delivered: list[Entry] = []
        self._failed: list[_Delivery] = []
        # Whose intents did not all find room in the client's own queue.
        self._unqueued: deque[_Delivery] = deque()
        # Why nothing goes on, as far as that is known.
        self.problem: str | None = None
        self._turns = 0
        self._send_again_at = float("inf")
        self._idle_s = IDLE_FIRST_S
        self._claimed_at = clock.monotonic()

    @property
    def in_flight(self) -> int:
        """Intents read for Kafka and not acknowledged by it; at most IN_FLIGHT_MAX."""
        return self._in_flight

    def turn(self, shards: Iterable[Shard], closed: Collection[Shard] = ()) -> int:
        """Read, send, acknowledge once; returns how many entries are new, waits a little if none.

        `closed`: those of the shards whose epoch is over. Raises KafkaException when the producer
        is broken for good.
        """
        shards, self._reader.closed = list(shards), closed
        new = sum(self._send(entry) for entry in self._read(shards))
        self._idle_s = IDLE_FIRST_S if new else min(self._idle_s * 2, IDLE_MAX_S)
        self._producer.poll(0 if new else self._idle_s)
        self._queue_the_rest()
        self._send_failed_again()
        self._acknowledge()
        metrics.RELAY_IN_FLIGHT.set(self._in_flight)
        metrics.RELAY_UNREACHABLE.set(self._reader.unreachable(shards))
        return new

    def finish(self, wait_s: float = STOP_WAIT_S) -> None:
        """Wait for what is in flight and acknowledge it; the rest stays pending for a restart."""
        self._producer.flush(wait_s)
        end = self._clock.monotonic() + LAST_ACKNOWLEDGEMENT_S
        # A node may still owe us the answer to a read: then it takes nothing else meanwhile.
        while self._delivered and self._clock.monotonic() < end:
            self._acknowledge()
        self._reader.close()

    def _read(self, shards: list[Shard]) -> list[Entry]:
        """New entries while the largest one still has room, from another shard first each time."""
        if not shards or self._unqueued:
            return []
        self._turns += 1
        first = self._turns % len(shards)
        shards = shards[first:] + shards[:first]
        entries = self._reader.late(IN_FLIGHT_MAX - self._in_flight)
        entries += self._read_within(
            self._room(entries),
            shards,
            lambda asked, most: self._reader.read(asked, most, self._held_of),
        )
        if self._clock.monotonic() - self._claimed_at > CLAIM_EVERY_S:
            claimed = self._read_within(self._room(entries), shards, self._reader.claim)
            if not claimed:
                # What a dead relay has left may be many pages: only behind the last one we rest.
                self._claimed_at = self._clock.monotonic()
            entries += claimed
        return entries

    def _room(self, entries: list[Entry]) -> int:
        return IN_FLIGHT_MAX - self._in_flight - sum(len(one.lines) for one in entries)

    def _read_within(
        self, room: int, shards: list[Shard], read: Callable[[list[Shard], int], list[Entry]]
    ) -> list[Entry]:
        """Ask as many shards at once as could answer with the largest entry, then the next ones."""
        entries: list[Entry] = []
        while shards and (most := room // INTENTS_AN_ENTRY_MAX) > 0:
            asked, shards = shards[:most], shards[most:]
            found = read(asked, min(ENTRIES_A_READ_MAX, most // len(asked)))
            room -= sum(len(entry.lines) for entry in found)
            entries += found
        return entries

    def _send(self, entry: Entry) -> bool:
        """False for an entry we hold: pending ones are read again after a failure, and claimed."""
        if (entry.shard, entry.id) in self._held:
            return False
        self._held[entry.shard, entry.id] = entry
        self._held_of[entry.shard] += 1
        if not entry.lines:
            self._delivered.append(entry)
            return True
        delivery = _Delivery(entry)
        self._in_flight += delivery.missing
        self._produce(delivery)
        return True

    def _queue_the_rest(self) -> None:
        """Go on where the client's queue was full; `poll` has made room if Kafka takes anything."""
        self.problem = None
        for _ in range(len(self._unqueued)):
            self._produce(self._unqueued.popleft())

    def _produce(self, delivery: _Delivery) -> None:
        def note(error: KafkaError | None, message: Message) -> None:
            self._note(delivery, kafka.delivery_fault(error, message))

        entry = delivery.entry
        headers: list[tuple[str, str | bytes | None]] = [("outbox", entry.id)]
        for line in entry.lines[delivery.queued :]:
            topic, key, sent = self._names.reservations, None, headers
            told: followed.Report = note
            value: str | bytes = line
            wrong: InvalidMessage | None = None
            try:
                request = request_of(entry.shard, line)
                key, value = request.shopper, request.value
                if request.trace and (parent := tracing.of_tail(request.trace)):
                    span = followed.sending(topic, parent, entry)
                    sent = [*headers, (tracing.HEADER, span.traceparent)]
                    told = followed.ending(span, note)
            except InvalidMessage as error:
                wrong, topic = error, self._names.dead_letters
                sent = headers + self._explain(entry, error)
            try:
                self._producer.produce(topic, value, key, headers=sent, on_delivery=told)
            except BufferError:
                # Its queue is also bounded in bytes. The next turn polls and goes on from here.
                self._unqueued.append(delivery)
                return
            except KafkaException as fault:
                if not kafka.is_missing(fault.args[0]):
                    raise
                # When it comes again the process ends.
                self.problem = f"Kafka: topic {topic}: {fault}"
                self._unqueued.append(delivery)
                return
            if wrong is not None:
                self._count(entry, wrong)
            delivery.queued += 1

    def _explain(self, entry: Entry, error: InvalidMessage) -> list[tuple[str, str | bytes | None]]:
        return [("error", str(error).encode()), ("source_topic", entry.shard.outbox.encode())]

    def _count(self, entry: Entry, error: InvalidMessage) -> None:
        _log.error("dead letter: %s", error, extra={"source": f"{entry.shard.outbox} {entry.id!r}"})
        metrics.RELAY_INVALID.inc()

    def _note(self, delivery: _Delivery, error: KafkaError | None) -> None:
        delivery.missing -= 1
        if error is not None:
            delivery.failed = error
        if delivery.missing:
            return
        entry = delivery.entry
        if delivery.failed is not None:
            self._failed.append(delivery)
            self._send_again_at = self._clock.monotonic() + SEND_AGAIN_S
            return
        self._in_flight -= len(entry.lines)
        metrics.RELAYED.inc(len(entry.lines))
        self._delivered.append(entry)

    def _send_failed_again(self) -> None:
        """The whole entry: who was delivered the first time becomes a duplicate, nobody is lost."""
        if not self._failed:
            return
        for delivery in self._failed:
            if delivery.failed is not None and kafka.is_fatal(delivery.failed):
                raise KafkaException(delivery.failed)
        if self._clock.monotonic() < self._send_again_at:
            return
        failed, self._failed = self._failed, []
        _log.warning("sending %d entries again: %s", len(failed), failed[0].failed)
        metrics.RELAY_RESTARTS.inc()
        for delivery in failed:
            delivery.missing, delivery.failed = len(delivery.entry.lines), None
            delivery.queued = 0
            self._produce(delivery)

    def _acknowledge(self) -> None:
        if not self._delivered:
            return
        left = self._reader.acknowledge(self._delivered)
        for entry in {*self._delivered} - {*left}:
            del self._held[entry.shard, entry.id]
            self._held_of[entry.shard] -= 1
            if not self._held_of[entry.shard]:
                del self._held_of[entry.shard]
        self._delivered = left


def run(
    relay: Relay,
    keeper: OutboxKeeper,
    database: DatabaseRelay,
    stop: Event,
    readiness: Readiness,
    topics: TopicWatch,
    reservations: str,
) -> None:
    """Relay until stopped; a failure of any thread ends the process."""
    others = (keeper, database)
    for thread in others:
        thread.start()
    try:
        while not stop.is_set():
            for thread in others:
                thread.check()
            relay.turn(keeper.shards, keeper.closed)
            readiness.report(TURN, relay.problem)
        # Nobody will take what is under way to a topic that is gone (relayed_topic.py).
        relay.finish(0 if reservations in topics.changed else STOP_WAIT_S)
    finally:
        stop.set()
        for thread in others:
            thread.join(STOP_WAIT_S)


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(
        stock_redis=True,
        kafka=True,
        topics=["reservations", "dead_letters"],
        parts=[TURN, *KEEPER_PARTS, DATABASE],
    )
    env, clock, stop, readiness = started.env, started.clock, started.stop, started.readiness
    assert env.kafka_brokers
    producer, own_producer = (
        kafka.connect_producer(kafka.producer_settings(env.kafka_brokers)) for _ in range(2)
    )
    names = kafka.Names(env.kafka_prefix)
    # Each of the two threads has connections of its own.
    reader, keepers = (StockClusters.connect(env.stock_sources, "relay") for _ in range(2))
    relay = Relay(OutboxReader(reader, env.instance, clock), producer, clock, names)
    assert started.topics
    keeper = OutboxKeeper(
        keepers,
        clock,
        stop,
        readiness=readiness,
        topic=RelayedTopic(keepers, names.reservations, started.topics.known),
        ask_kafka=lambda: kafka.ask(producer, names.reservations),
    )
    database = DatabaseRelay(own_producer, stop, readiness=readiness, names=names)
    run(relay, keeper, database, stop, readiness, started.topics, names.reservations)


if __name__ == "__main__":
    main()
