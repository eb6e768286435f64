"""Topic `reservations` → orders in PostgreSQL → `order-events`, shopper's status (DESIGN §4.8).

python -m workers.order_consumer
"""

import logging
import sys
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from threading import Event

import redis
from confluent_kafka import Message, Producer
from django.db import DatabaseError, connections

from control_plane.config import tracing
from control_plane.orders import projection
from control_plane.orders.services import Intent, Landed, land, note_followed
from workers import dead_letters, followed, intent, order_events
from workers.barrier import Barrier
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.consumer import TURN, ConsumerLoop, DeadLetter
from workers.runtime.database import not_applied_when_refused

GROUP = "order-consumer"
# 80 ms of database work. With 2000 each order cost PostgreSQL 22 µs and the consumer 20, with this
# 18 and 16 (`make bench ONLY=orders`); beyond it little is left of what a batch costs once, and a
# crash replays more.
BATCH_MAX = 4000
# A batch of one costs 2.5 ms of both, one of 64 3.5: at 250 orders a second and 2 cores the stages
# did little else. A shopper who waits for "confirmed" does not notice it.
REST_S = 0.02
# Three threads of Python take turns: who has waited for PostgreSQL must not wait 5 ms more (the
# interpreter's own choice) for one that decodes or announces, at each of its seven statements.
SWITCH_S = 0.0005
# Statuses that wait for the work Redis: some seconds of the fastest sale.
UNWRITTEN_MAX = 100_000
# How often they are tried again while nothing comes.
RETRY_S = 1.0

_log = logging.getLogger("workers.order_consumer")


class OrderHandler:
    """Lands reservations; a batch that is repeated is announced again as it was decided."""

    def __init__(
        self,
        producer: Producer,
        work_redis: "redis.Redis",
        clock: Clock,
        stop: Event,
        names: kafka.Names,
    ) -> None:
        self._producer = producer
        self._work_redis = work_redis
        self._clock = clock
        self._stop = stop
        self._names = names
        # The newest ones of an outage of the work Redis.
        self._unwritten: deque[Landed] = deque(maxlen=UNWRITTEN_MAX)
        self._tried_at = -RETRY_S
        # The last batch among them: an announcement may be repeated.
        self._kept: Sequence[Landed] = ()

    def decode(self, message: Message) -> Intent | Barrier:
        """The intent or the barrier; raises InvalidMessage."""
        partition = message.partition()
        assert partition is not None, "a message that was consumed has a place"
        return intent.message_of(message.value(), partition, message)

    def apply(self, batch: list[Intent | Barrier]) -> list[Landed]:
        """Decide and commit the batch; raises Unavailable, NotApplied.

        A barrier is committed together with all that stands before it in its partition: that is
        in this batch or was committed with an earlier one, or is a dead letter, which comes late.
        """
        now = self._clock.now()
        intents = [one for one in batch if isinstance(one, Intent)]
        barriers = [one for one in batch if isinstance(one, Barrier)]
        ours = followed.of_batch(intents)
        spans = followed.processing(ours, self._names.group(GROUP))
        landing = followed.landing(spans, len(intents))
        with not_applied_when_refused("default"):
            outcomes = land(intents, now, barriers)
        for span in landing:
            span.end()
        if ours:
            _note_followed(ours, now)
        if intents:
            oldest_s = now.timestamp() - min(one.at_ms for one in intents) / 1000
            metrics.DECIDED_AFTER_SECONDS.observe(max(oldest_s, 0))
        for one in barriers:
            _log.info("barrier of re-arm %s seen in partition %d", one.rearm_id, one.partition)
        _count(outcomes)
        return followed.Decided(outcomes, spans) if spans else outcomes

    def announce(self, applied: list[Landed] | None, dead: Sequence[DeadLetter]) -> None:
        """Events and dead letters until Kafka has them, and the status; raises Unavailable.

        What is announced is committed: a status need not wait for Kafka's answer.
        """
        topic = self._names.order_events
        outgoing = [
            kafka.Outgoing(topic, one.shopper.encode(), order_events.decided(one))
            for one in applied or ()
        ]
        spans = followed.announcing(applied or (), topic)
        if applied and spans:
            outgoing = _followed_events(applied, outgoing, spans)
        outgoing += dead_letters.outgoing(dead, self._names.dead_letters, GROUP)
        kafka.deliver(
            self._producer, outgoing, self._stop, lambda: self._write_statuses(applied or [])
        )
        for span in spans.values():
            span.end()
        if isinstance(applied, followed.Decided):
            followed.end(applied)

    def begin(self, name: str) -> None:
        """Have mended what the last process of this name took with it."""
        projection.begin(self._work_redis, name)

    def end(self, name: str) -> None:
        """After a stop that finished everything."""
        if not self._unwritten:
            projection.end(self._work_redis, name)

    def idle(self) -> None:
        """Statuses that could not be written, when no next batch comes. In `announce`'s thread."""
        if not self._unwritten and not projection.is_missed():
            return
        if self._clock.monotonic() - self._tried_at >= RETRY_S:
            self._write_statuses([])

    def _write_statuses(self, decided: Sequence[Landed]) -> None:
        """Of these, and of those that could not be written before.

        Orders do not wait for a cache: the gateway falls back to the shard's own answer.
        """
        outcomes = [*self._unwritten, *decided]
        self._tried_at = self._clock.monotonic()
        try:
            projection.write(self._work_redis, outcomes)
            projection.mend_missed(self._work_redis)
        except redis.RedisError as error:
            metrics.PROJECTION_FAILURES.inc()
            _log.warning("status of %d reservations not written: %s", len(outcomes), error)
            if decided and decided is not self._kept:
                self._unwritten.extend(decided)
                self._kept = decided
            if len(outcomes) > UNWRITTEN_MAX:
                projection.note_missed()
        else:
            self._unwritten.clear()
            self._kept = ()


def _followed_events(
    applied: Sequence[Landed], outgoing: Sequence[kafka.Outgoing], spans: dict[str, tracing.Span]
) -> list[kafka.Outgoing]:
    """The same messages; those of `spans` say so to whoever reads them."""
    return [
        event._replace(headers=[(tracing.HEADER, spans[one.reservation_id].traceparent.encode())])
        if one.reservation_id in spans
        else event
        for one, event in zip(applied, outgoing, strict=True)
    ]


def _note_followed(ours: Sequence[followed.FollowedIntent], now: datetime) -> None:
    """What support looks up by. Orders are landed by then and must not wait for it, or fail."""
    try:
        note_followed(followed.rows(ours), now)
    except DatabaseError as error:
        connections["default"].close()
        _log.warning("%d followed reservations were not noted: %s", len(ours), error)


def _count(outcomes: list[Landed]) -> None:
    for one in outcomes:
        if one.fresh and (one.late or one.reason == "closed_epoch"):
            outcome = one.reason or "confirmed"
            metrics.LATE.labels(outcome).inc()
            # Its epoch was closed, so something was lost at a failover and came back.
            _log.warning(
                "late reservation: %s",
                outcome,
                extra={
                    "kind": "late_reservation",
                    "item": one.item,
                    "reservation_id": one.reservation_id,
                },
            )
        if one.reason and one.fresh:
            metrics.LANDED.labels(one.reason).inc()
            # A RESERVED that is refused is a broken promise: an operator must see each one.
            _log.error(
                "reservation rejected: %s",
                one.reason,
                extra={"item": one.item, "reservation_id": one.reservation_id},
            )
    confirmed = sum(1 for one in outcomes if one.fresh and not one.reason)
    metrics.LANDED.labels("confirmed").inc(confirmed)
    metrics.REPEATED.inc(sum(1 for one in outcomes if not one.fresh))


def main() -> None:
    """Run until SIGTERM."""
    sys.setswitchinterval(SWITCH_S)
    started = process.start(
        parts=[TURN],
        kafka=True,
        topics=["reservations", "order_events", "dead_letters"],
        work_redis=True,
    )
    env, names = started.env, kafka.Names(started.env.kafka_prefix)
    assert env.kafka_brokers and env.work_redis_url
    handler = OrderHandler(
        kafka.connect_producer(kafka.producer_settings(env.kafka_brokers)),
        projection.connect(env.work_redis_url),
        started.clock,
        started.stop,
        names,
    )
    settings = kafka.consumer_settings(env.kafka_brokers, names.group(GROUP), env.instance)
    handler.begin(env.instance)
    ConsumerLoop(
        kafka.connect_consumer(settings),
        names.reservations,
        handler,
        clock=started.clock,
        stop=started.stop,
        batch_max=BATCH_MAX,
        rest_s=REST_S,
        readiness=started.readiness,
        topics=started.topics,
        on_idle=handler.idle,
    ).run()
    handler.end(env.instance)


if __name__ == "__main__":
    main()
