"""Topic `order-events` → what merchants' webhooks are to say (control_plane/webhooks).

    python -m workers.webhook_consumer

It only writes rows; Celery sends them. Its second thread shows figures that stand in PostgreSQL:
how webhooks are doing, and which books do not balance.
"""

from collections.abc import Sequence
from threading import Event

from confluent_kafka import Message, Producer

from control_plane.config import tracing
from control_plane.webhooks.services import Told, note
from workers import dead_letters, followed, order_events
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.consumer import TURN, ConsumerLoop, DeadLetter
from workers.runtime.database import not_applied_when_refused
from workers.runtime.side_thread import run_beside
from workers.standing_figures import PART, StandingFigures

GROUP = "webhook-consumer"
BATCH_MAX = 1000
# Nobody waits for it; see `ConsumerLoop`.
REST_S = 0.05


class WebhookHandler:
    """Notes what endpoints want to hear; there is nothing to announce but dead letters."""

    def __init__(self, producer: Producer, clock: Clock, stop: Event, names: kafka.Names) -> None:
        self._producer = producer
        self._clock = clock
        self._stop = stop
        self._names = names

    def decode(self, message: Message) -> Told | None:
        """What a merchant may hear; None for other events; raises InvalidMessage."""
        told = order_events.read_told(message.value())
        # Nearly all have no header at all.
        if told is None or not (traceparent := tracing.followed(followed.header(message))):
            return told
        return told._replace(traceparent=traceparent)

    def apply(self, batch: list[Told]) -> None:
        """Commit the batch; raises Unavailable, NotApplied."""
        spans = followed.noting([one for one in batch if one.traceparent])
        if spans:
            batch = [
                one._replace(traceparent=spans[one.traceparent].traceparent)
                if one.traceparent
                else one
                for one in batch
            ]
        with not_applied_when_refused("default"):
            fresh = note(batch, self._clock.now())
        for span in spans.values():
            span.end()
        metrics.WEBHOOKS_NOTED.inc(fresh)

    def announce(self, applied: None, dead: Sequence[DeadLetter]) -> None:
        """Send dead letters; raises Unavailable."""
        outgoing = dead_letters.outgoing(dead, self._names.dead_letters, GROUP)
        kafka.deliver(self._producer, outgoing, self._stop)


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(parts=[TURN, PART], kafka=True, topics=["order_events", "dead_letters"])
    env, names = started.env, kafka.Names(started.env.kafka_prefix)
    assert env.kafka_brokers
    handler = WebhookHandler(
        kafka.connect_producer(kafka.producer_settings(env.kafka_brokers)),
        started.clock,
        started.stop,
        names,
    )
    settings = kafka.consumer_settings(env.kafka_brokers, names.group(GROUP), env.instance)
    loop: ConsumerLoop[Told, None] = ConsumerLoop(
        kafka.connect_consumer(settings),
        names.order_events,
        handler,
        clock=started.clock,
        stop=started.stop,
        batch_max=BATCH_MAX,
        rest_s=REST_S,
        readiness=started.readiness,
        topics=started.topics,
    )
    figures = StandingFigures(started.clock, started.stop, started.readiness)
    run_beside(loop.run, [figures], started.stop)


if __name__ == "__main__":
    main()
