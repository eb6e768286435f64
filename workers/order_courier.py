"""Orders' messages out of the sale database, and the warehouse's answers into it (DESIGN §4.9).

    python -m workers.order_courier

Its second thread sends what happened to orders after they were landed (`order.paid`,
`order.expired`, `order.cancelled`, and `order.created` of those that a late payment made) from the
outbox to topic `order-events`, and writes their shoppers' status once more; the first thread keeps
`stock.deducted` and `stock.restored` beside the orders. At least once in both directions.
"""

import logging
from collections.abc import Sequence
from threading import Event

import redis
from confluent_kafka import Message, Producer

from control_plane.orders import projection
from control_plane.orders.services import (
    Answer,
    Landed,
    Unsent,
    mark_sent,
    put_aside,
    record_answers,
    unsent_events,
)
from workers import dead_letters, order_events
from workers.leadership import Leadership
from workers.runtime import kafka, metrics, process
from workers.runtime.apart import apply_apart
from workers.runtime.consumer import HALT_S, TURN, ConsumerLoop, DeadLetter
from workers.runtime.database import not_applied_when_refused, unavailable_when_down
from workers.runtime.readiness import Readiness
from workers.runtime.side_thread import SideThread, run_beside
from workers.runtime.verdicts import DeadLetterCap, NotApplied, TooManyDeadLetters, Unavailable

GROUP = "order-courier"
BATCH_MAX = 2000
# Nobody waits for it; see `ConsumerLoop`.
REST_S = 0.05
# Any constant; one number per kind of leader.
OUTBOX_LOCK = 0x51_0C0B
IDLE_FIRST_S = 0.02
IDLE_MAX_S = 0.25
AFTER_FAILURE_S = 1.0
OUTBOX = "outbox"

_log = logging.getLogger("workers.order_courier")


class AnswerHandler:
    """Keeps the warehouse's answers; there is nothing to announce but dead letters."""

    def __init__(self, producer: Producer, stop: Event, names: kafka.Names) -> None:
        self._producer = producer
        self._stop = stop
        self._names = names

    def decode(self, message: Message) -> Answer | None:
        """The answer; None for other events; raises InvalidMessage."""
        return order_events.read_answer(message.value())

    def apply(self, batch: list[Answer]) -> None:
        """Commit the batch; raises Unavailable, NotApplied."""
        with not_applied_when_refused("default"):
            fresh = record_answers(batch)
        metrics.STOCK_ANSWERS.labels("fresh").inc(fresh)
        metrics.STOCK_ANSWERS.labels("repeated").inc(len(batch) - fresh)

    def announce(self, applied: None, dead: Sequence[DeadLetter]) -> None:
        """Send dead letters; raises Unavailable."""
        outgoing = dead_letters.outgoing(dead, self._names.dead_letters, GROUP)
        kafka.deliver(self._producer, outgoing, self._stop)


class OutboxSender(SideThread):
    """Sends rows of OrderEvent, oldest first. One of several couriers does; two repeat, at worst.

    One sender keeps the order in which an order's events happened; readers do not rely on it.
    """

    def __init__(
        self,
        producer: Producer,
        work_redis: "redis.Redis",
        stop: Event,
        *,
        readiness: Readiness,
        names: kafka.Names,
    ) -> None:
        super().__init__("order-outbox", stop)
        self._producer = producer
        self._work_redis = work_redis
        self._readiness = readiness
        self._names = names
        self._leadership = Leadership(OUTBOX_LOCK)
        self._idle_s = IDLE_FIRST_S
        # What Kafka has while the work Redis is away: it need not hear it every second.
        self._delivered = set[int]()
        # What the database takes no mark for, not even that of what is put aside.
        self._unmarkable = set[int]()
        self._cap = DeadLetterCap()

    def run(self) -> None:
        """Turns until stopped; a failure stops the other thread too."""
        try:
            super().run()
        finally:
            self._leadership.resign()
            self._stop_asked.set()

    def turn(self) -> float:
        """Send what there is; while something is down, wait."""
        if not self._leadership.held():
            self._readiness.report(OUTBOX, self._leadership.problem)
            return AFTER_FAILURE_S
        try:
            sent = self.send()
        except Unavailable as error:
            _log.warning("order events not sent: %s", error)
            self._readiness.report(OUTBOX, str(error))
            return AFTER_FAILURE_S
        except TooManyDeadLetters as error:
            _log.critical("halted, nothing is put aside: %s", error)
            self._readiness.report(OUTBOX, str(error))
            metrics.HALTED.labels(OUTBOX).set(1)
            return HALT_S
        self._readiness.report(OUTBOX)
        metrics.HALTED.labels(OUTBOX).set(0)
        self._idle_s = IDLE_FIRST_S if sent else min(self._idle_s * 2, IDLE_MAX_S)
        return 0 if sent else self._idle_s

    def send(self) -> int:
        """One batch: Kafka, the shoppers' statuses, then the mark; how many were looked at.

        What the database, or our own writing, refuses for its content is put aside, and the others
        are sent. Raises Unavailable; TooManyDeadLetters, when it is most of them, and then nothing
        is put aside.
        """
        with unavailable_when_down("default"):
            events = unsent_events(BATCH_MAX, self._unmarkable)
        if not events:
            return 0
        refused: list[tuple[Unsent, NotApplied]] = []
        apply_apart([events], self._send, lambda one, error: refused.append((one, error)))
        self._cap.check(len(events), len(refused))
        for one, error in refused:
            self._put_aside(one, error)
        self._delivered.clear()
        return len(events)

    def _send(self, events: Sequence[Unsent]) -> None:
        """Kafka, the shoppers' statuses, then the mark; raises Unavailable, NotApplied.

        Without the work Redis a batch waits for its mark, so that no status is forgotten; a full
        one does not, because Kafka must not wait for a cache.
        """
        try:
            messages = [
                kafka.Outgoing(
                    self._names.order_events, one.order.shopper.encode(), order_events.changed(one)
                )
                for one in events
                if one.id not in self._delivered
            ]
        except (ValueError, OverflowError) as error:
            raise NotApplied(f"cannot be written: {error}") from error
        kafka.deliver(self._producer, messages, self._stop_asked)
        metrics.ORDER_EVENTS_SENT.inc(len(messages))
        self._delivered.update(one.id for one in events)
        # Whoever changed the order did it already, unless he died then or Redis was away.
        try:
            projection.write(self._work_redis, _statuses(events))
            projection.mend_missed(self._work_redis)
        except redis.RedisError as error:
            if len(events) < BATCH_MAX:
                raise Unavailable(f"statuses: {error}") from error
            projection.note_missed()
            _log.warning("statuses not written: %s", error)
        with not_applied_when_refused("default"):
            mark_sent([one.id for one in events])

    def _put_aside(self, one: Unsent, error: NotApplied) -> None:
        """In the outbox; where not even that can be written, here, until the process ends."""
        _log.error(
            "order event put aside: %s",
            error,
            extra={"event": one.id, "reservation_id": one.order.reservation_id},
        )
        try:
            with not_applied_when_refused("default"):
                put_aside(one.id, str(error))
        except NotApplied:
            self._unmarkable.add(one.id)
        metrics.ORDER_EVENTS_PUT_ASIDE.inc()


def _statuses(events: Sequence[Unsent]) -> list[Landed]:
    """Each order once, as it stands now; a successor's also under the reservation he knows."""
    orders = {one.order.reservation_id: one.order for one in events}
    for one in events:
        if one.replaced:
            orders[one.replaced] = one.order._replace(reservation_id=one.replaced)
    return list(orders.values())


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(
        parts=[TURN, OUTBOX], kafka=True, topics=["order_events", "dead_letters"], work_redis=True
    )
    env, names = started.env, kafka.Names(started.env.kafka_prefix)
    assert env.kafka_brokers and env.work_redis_url
    producer, own_producer = (
        kafka.connect_producer(kafka.producer_settings(env.kafka_brokers)) for _ in range(2)
    )
    sender = OutboxSender(
        own_producer,
        projection.connect(env.work_redis_url),
        started.stop,
        readiness=started.readiness,
        names=names,
    )
    settings = kafka.consumer_settings(env.kafka_brokers, names.group(GROUP), env.instance)
    loop: ConsumerLoop[Answer, None] = ConsumerLoop(
        kafka.connect_consumer(settings),
        names.order_events,
        AnswerHandler(producer, started.stop, names),
        clock=started.clock,
        stop=started.stop,
        batch_max=BATCH_MAX,
        rest_s=REST_S,
        readiness=started.readiness,
        topics=started.topics,
    )
    run_beside(loop.run, [sender], started.stop)


if __name__ == "__main__":
    main()
