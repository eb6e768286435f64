"""Topic `order-events` → warehouse books → `stock.deducted`, `stock.restored` (DESIGN §4.9).

python -m workers.inventory_consumer
"""

from collections.abc import Sequence
from threading import Event

from confluent_kafka import Message, Producer

from control_plane.config.routers import WAREHOUSE_DATABASE
from control_plane.warehouse.services import DEDUCT, RESTORE, Moved, Movement, move
from workers import dead_letters, order_events
from workers.runtime import kafka, metrics, process
from workers.runtime.clock import Clock
from workers.runtime.consumer import TURN, ConsumerLoop, DeadLetter
from workers.runtime.database import not_applied_when_refused

GROUP = "inventory-consumer"
BATCH_MAX = 2000
# Nobody waits for it; see `ConsumerLoop`.
REST_S = 0.05


class WarehouseHandler:
    """Moves stock once an order; announces a batch again whenever it repeats."""

    def __init__(
        self,
        producer: Producer,
        clock: Clock,
        stop: Event,
        names: kafka.Names,
    ) -> None:
        self._producer = producer
        self._clock = clock
        self._stop = stop
        self._names = names

    def decode(self, message: Message) -> Movement | None:
        """What the order moves; None for our own and others' events; raises InvalidMessage."""
        return order_events.read_movement(message.value())

    def apply(self, batch: list[Movement]) -> list[Moved]:
        """Move and commit the batch; raises Unavailable, NotApplied."""
        with not_applied_when_refused(WAREHOUSE_DATABASE):
            moved = move(batch, self._clock.now())
        for kind, counter in ((DEDUCT, metrics.DEDUCTED), (RESTORE, metrics.RESTORED)):
            fresh = [one.fresh for one in moved if one.kind == kind]
            counter.labels("fresh").inc(sum(fresh))
            counter.labels("repeated").inc(len(fresh) - sum(fresh))
        return moved

    def announce(self, applied: list[Moved] | None, dead: Sequence[DeadLetter]) -> None:
        """Tell Kafka and wait for its acknowledgement; raises Unavailable."""
        outgoing = [
            kafka.Outgoing(self._names.order_events, one.shopper.encode(), order_events.moved(one))
            for one in applied or ()
        ]
        outgoing += dead_letters.outgoing(dead, self._names.dead_letters, GROUP)
        kafka.deliver(self._producer, outgoing, self._stop)


def main() -> None:
    """Run until SIGTERM."""
    started = process.start(parts=[TURN], kafka=True, topics=["order_events", "dead_letters"])
    env, names = started.env, kafka.Names(started.env.kafka_prefix)
    assert env.kafka_brokers
    handler = WarehouseHandler(
        kafka.connect_producer(kafka.producer_settings(env.kafka_brokers)),
        started.clock,
        started.stop,
        names,
    )
    settings = kafka.consumer_settings(env.kafka_brokers, names.group(GROUP), env.instance)
    ConsumerLoop(
        kafka.connect_consumer(settings),
        names.order_events,
        handler,
        clock=started.clock,
        stop=started.stop,
        batch_max=BATCH_MAX,
        rest_s=REST_S,
        readiness=started.readiness,
        topics=started.topics,
    ).run()


if __name__ == "__main__":
    main()
