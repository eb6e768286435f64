"""How the order pipeline is doing, read beside the ticks: Kafka may take its time to answer."""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event

from confluent_kafka import Consumer, KafkaException, TopicPartition
from django.db import Error, connections

from control_plane.orders.models import Order
from workers.queue.pace import Reading
from workers.runtime import metrics
from workers.runtime.clock import Clock
from workers.runtime.kafka import Names
from workers.runtime.side_thread import SideThread

READ_EVERY_S = 0.5
KAFKA_TIMEOUT_S = 2.0
# Orders that were decided longer ago say nothing of the latency of now.
LATELY = timedelta(seconds=5)

_log = logging.getLogger(__name__)


class Pipeline(SideThread):
    """`newest` is replaced whole, so any thread may look at it."""

    def __init__(self, read_lag: Callable[[], int], clock: Clock, stop: Event) -> None:
        super().__init__("order-pipeline", stop)
        self._read_lag = read_lag
        self._clock = clock
        self.newest: Reading | None = None

    def turn(self) -> float:
        """One reading; what could not be read leaves the old one, which gets too old by itself."""
        at = self._clock.monotonic()
        try:
            lag = self._read_lag()
            metrics.KAFKA_LAG.labels("reservations", "order-consumer").set(lag)
            self.newest = Reading(at, lag, self._latency_s())
        except (KafkaException, Error) as error:
            _log.warning("the order pipeline cannot be seen: %s", error)
            connections["default"].close()
        return READ_EVERY_S

    def _latency_s(self) -> float | None:
        """From the reservation in Redis to the order in PostgreSQL, of the newest order."""
        newest = Order.objects.order_by("-pk").values_list("reserved_at", "created_at").first()
        if newest is None or newest[1] < self._clock.now() - LATELY:
            return None
        return float((newest[1] - newest[0]).total_seconds())


def lag_reader(brokers: str, names: Names, group: str) -> Callable[[], int]:
    """Reads how many messages of topic `reservations` the group has not consumed.

    The consumer never joins the group: it only asks what is committed.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": names.group(group),
            "enable.auto.commit": False,
        },
        logger=_log,
    )

    def read() -> int:
        topic = names.reservations
        known = consumer.list_topics(topic, timeout=KAFKA_TIMEOUT_S).topics[topic]
        partitions = [TopicPartition(topic, number) for number in known.partitions]
        lag = 0
        for at in consumer.committed(partitions, timeout=KAFKA_TIMEOUT_S):
            low, high = consumer.get_watermark_offsets(at, timeout=KAFKA_TIMEOUT_S, cached=False)
            lag += high - max(at.offset, low)
        return lag

    return read
