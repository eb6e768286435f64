"""The relay's third thread: reservations made in PostgreSQL → topic `reservations` (DESIGN §5).

While the database is the stock source its intents stand in a table instead of an outbox. They
take the same way from here on, so that one place decides all reservations. At least once, as
everywhere: marked only after Kafka's acknowledgement; two relays at once deliver each twice.

A thread and a producer of its own: a PostgreSQL that hangs delays no outbox, a stock Redis that
hangs delays no row.
"""

import json
import logging
from threading import Event

from confluent_kafka import Producer

from control_plane.config import tracing
from control_plane.orders.services import database_intents, mark_relayed
from workers.runtime import kafka, metrics
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import Readiness
from workers.runtime.side_thread import SideThread
from workers.runtime.verdicts import Unavailable

# One batch of the order consumer; what is in memory at once.
ROWS_MAX = 2000
# With nothing to relay it looks again after 20 ms, then more and more seldom: the first buyer after
# a switch-over waits a quarter of a second longer for his confirmation.
IDLE_FIRST_S = 0.02
IDLE_MAX_S = 0.25
AFTER_FAILURE_S = 1.0
DATABASE = "database"

_log = logging.getLogger(__name__)


def _trace_of(value: str) -> list[tuple[str, bytes]]:
    """The header of a purchase that is followed; none of all others."""
    if '"trace":"' not in value:
        return []
    return [(tracing.HEADER, tracing.of_tail(json.loads(value)["trace"]).encode())]


class DatabaseRelay(SideThread):
    """Relays rows of DatabaseIntent, oldest first."""

    def __init__(
        self, producer: Producer, stop: Event, *, readiness: Readiness, names: kafka.Names
    ) -> None:
        super().__init__("database-relay", stop)
        self._producer = producer
        self._readiness = readiness
        self._names = names
        self._idle_s = IDLE_FIRST_S

    def turn(self) -> float:
        """Relay what there is; while something is down, wait."""
        try:
            relayed = self.relay()
        except Unavailable as error:
            _log.warning("database intents not relayed: %s", error)
            self._readiness.report(DATABASE, str(error))
            return AFTER_FAILURE_S
        self._readiness.report(DATABASE)
        self._idle_s = IDLE_FIRST_S if relayed else min(self._idle_s * 2, IDLE_MAX_S)
        return 0 if relayed else self._idle_s

    def relay(self) -> int:
        """One batch: Kafka first, then the mark; how many rows. Raises Unavailable."""
        with unavailable_when_down("default"):
            rows = database_intents(ROWS_MAX)
        if not rows:
            return 0
        messages = [
            kafka.Outgoing(
                self._names.reservations,
                row.shopper.encode(),
                row.value.encode(),
                [("outbox", f"database-{row.pk}".encode()), *_trace_of(row.value)],
            )
            for row in rows
        ]
        kafka.deliver(self._producer, messages, self._stop_asked)
        metrics.DATABASE_RELAYED.inc(len(rows))
        with unavailable_when_down("default"):
            mark_relayed([row.pk for row in rows])
        return len(rows)
