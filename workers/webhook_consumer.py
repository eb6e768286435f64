"""Topic `order-events` → what merchants' webhooks are to say (control_plane/webhooks).

    python -m workers.webhook_consumer

It only writes rows; Celery sends them. Its second thread shows figures that stand in PostgreSQL:
how webhooks are doing, and which books do not balance.
"""

import logging
from collections.abc import Sequence
from threading import Event

from confluent_kafka import Message

from control_plane.config import tracing
from control_plane.webhooks.services import Told, note
from workers import followed, order_events
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.consumer import TURN, ConsumerLoop, DeadLetter
from workers.runtime.database import unavailable_when_down
from workers.standing_figures import PART, StandingFigures

GROUP = "webhook-consumer"
BATCH_MAX = 1000

_log = logging.getLogger("workers.webhook_consumer")


class WebhookHandler:
    """Notes what endpoints want to hear; there is nothing to announce."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def decode(self, message: Message) -> Told | None:
        """What a merchant may hear; None for other events; raises InvalidMessage."""
        told = order_events.read_told(message.value())
        # Nearly all have no header at all.
        if told is None or not (traceparent := tracing.followed(followed.header(message))):
            return told
        return told._replace(traceparent=traceparent)

    def apply(self, batch: list[Told]) -> None:
        """Commit the batch; raises Unavailable."""
        spans = followed.noting([one for one in batch if one.traceparent])
        if spans:
            batch = [
                one._replace(traceparent=spans[one.traceparent].traceparent)
                if one.traceparent
                else one
                for one in batch
            ]
        with unavailable_when_down("default"):
            fresh = note(batch, self._clock.now())
        for span in spans.values():
            span.end()
        metrics.WEBHOOKS_NOTED.inc(fresh)

    def announce(self, applied: None, dead: Sequence[DeadLetter]) -> None:
        """Say which messages nobody could read. The dead letter is the inventory consumer's.

        The loop counts them, and stands still when it understands nothing any more.
        """
        for letter in dead:
            at = f"{letter.message.partition()} {letter.message.offset()}"
            _log.error("no webhook of message %s: %s", at, letter.error)


def run(loop: "ConsumerLoop[Told, None]", figures: StandingFigures, stop: Event) -> None:
    """Both until stopped; a failure of either ends the process."""
    figures.start()
    try:
        loop.run()
    finally:
        stop.set()
        figures.join()
    figures.check()


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(parts=[TURN, PART], kafka=True)
    env, names = started.env, kafka.Names(started.env.kafka_prefix)
    assert env.kafka_brokers
    settings = kafka.consumer_settings(env.kafka_brokers, names.group(GROUP), env.instance)
    loop: ConsumerLoop[Told, None] = ConsumerLoop(
        kafka.connect_consumer(settings),
        names.order_events,
        WebhookHandler(started.clock),
        clock=started.clock,
        stop=started.stop,
        batch_max=BATCH_MAX,
        readiness=started.readiness,
    )
    figures = StandingFigures(started.clock, started.stop, started.readiness)
    run(loop, figures, started.stop)


if __name__ == "__main__":
    main()
