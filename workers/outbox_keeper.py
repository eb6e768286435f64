"""The relay's second thread: which outboxes there are, and dropping what PostgreSQL has decided.

Apart from the relay's own loop, so that a slow or missing PostgreSQL delays neither reading nor
delivery.
"""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import redis
from django.db import connections

from control_plane.orders.services import decided
from workers.runtime import metrics
from workers.runtime.clock import Clock, to_ms
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock.cluster import StockCluster
from workers.stock.keys import RELAY_GROUP, Shard
from workers.stock.outbox import intents_of
from workers.stock.sale_items import Outbox, outboxes

LIST_EVERY_S = 0.2
TRIM_EVERY_S = 1.0
ASK_EVERY_S = 5.0
OUTBOXES, KAFKA = KEEPER_PARTS = ("outboxes", "Kafka")
# This long after its end a campaign's outboxes are looked after in any case; afterwards until all
# its units are decided or the outbox was seen empty: nobody can write to it any more.
KEEP = timedelta(hours=24)
# One read of a trim: sixteen entries of a full batch are half a megabyte.
TRIM_ENTRIES = 16
TRIM_READS_MAX = 64

_log = logging.getLogger(__name__)


class OutboxKeeper(Thread):
    """Keeps `shards` up to date and the outboxes short; `check` raises what is no outage."""

    def __init__(
        self,
        cluster: StockCluster,
        clock: Clock,
        stop: Event,
        *,
        readiness: Readiness,
        ask_kafka: Callable[[], None],
    ) -> None:
        super().__init__(name="outbox-keeper", daemon=True)
        self._cluster = cluster
        self._clock = clock
        self._stop_asked = stop
        self._readiness = readiness
        self._ask_kafka = ask_kafka
        self._asked_at = float("-inf")
        self._trimmed_at = float("-inf")
        self._failure: BaseException | None = None
        # Outboxes of campaigns long over that were seen empty; forgotten with the process.
        self._drained: set[Shard] = set()
        # When the first entry that has to stay was written, of each outbox that has one.
        self._oldest_ms: list[int] = []
        self.shards: tuple[Shard, ...] = ()

    def run(self) -> None:
        """Loop until stopped; the relay's thread sees a failure in `check`."""
        try:
            while not self._stop_asked.wait(LIST_EVERY_S):
                self.turn()
                self._look_at_kafka()
        except BaseException as failure:  # noqa: BLE001  (the other thread raises it again)
            self._failure = failure
        finally:
            connections.close_all()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def turn(self) -> None:
        """List the outboxes, trim them when it is time; while something is down, wait."""
        try:
            with unavailable_when_down("default"):
                found = outboxes(self._clock.now(), KEEP)
            self.shards = tuple(one.shard for one in found if one.shard not in self._drained)
            metrics.RELAY_OUTBOXES.set(len(self.shards))
            if self._clock.monotonic() - self._trimmed_at >= TRIM_EVERY_S:
                self._trimmed_at = self._clock.monotonic()
                self._oldest_ms = []
                for one in found:
                    if one.shard not in self._drained:
                        self._tidy(one)
                now_ms = to_ms(self._clock.now())
                age_ms = now_ms - min(self._oldest_ms, default=now_ms)
                metrics.RELAY_UNDECIDED_SECONDS.set(max(age_ms, 0) / 1000)
        except Unavailable as error:
            _log.warning("outboxes not looked after: %s", error)
            self._readiness.report(OUTBOXES, str(error))
        else:
            self._readiness.report(OUTBOXES)

    def _look_at_kafka(self) -> None:
        """A message for a Kafka that is away does not fail, it waits; so somebody has to ask."""
        if self._clock.monotonic() - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = self._clock.monotonic()
        try:
            self._ask_kafka()
            self._readiness.report(KAFKA)
        except Unavailable as error:
            self._readiness.report(KAFKA, str(error))

    def _tidy(self, outbox: Outbox) -> None:
        self.trim(outbox.shard)
        if outbox.is_over and self._is_empty(outbox.shard):
            self._drained.add(outbox.shard)

    def trim(self, shard: Shard) -> int:
        """Drop the longest prefix of entries that are acknowledged and decided; how many went.

        Raises Unavailable.
        """
        dropped = 0
        for _ in range(TRIM_READS_MAX):
            entries, oldest_pending = self._look(shard)
            ids = _decided_prefix(entries, oldest_pending)
            if ids:
                dropped += self._drop_through(shard, ids[-1])
            if len(ids) < len(entries):
                self._oldest_ms.append(int(entries[len(ids)][0].split(b"-")[0]))
            if len(ids) < TRIM_ENTRIES:
                break
        metrics.RELAY_TRIMMED.inc(dropped)
        return dropped

    def _look(self, shard: Shard) -> tuple[list[tuple[bytes, Any]], bytes | None]:
        node = self._cluster.node_of(shard)
        try:
            pipeline = node.pipeline(transaction=False)
            pipeline.xpending(shard.outbox, RELAY_GROUP)
            pipeline.xrange(shard.outbox, count=TRIM_ENTRIES)
            pending, entries = pipeline.execute(raise_on_error=False)
        except redis.RedisError as error:
            raise self._cluster.failed(error) from error
        if isinstance(pending, redis.RedisError) or isinstance(entries, redis.RedisError):
            # No such stream or group yet.
            return [], None
        return entries, pending["min"]

    def _is_empty(self, shard: Shard) -> bool:
        """True when the stream is there and holds nothing: a stream that is lost is not empty."""
        node = self._cluster.node_of(shard)
        try:
            return bool(node.exists(shard.outbox)) and node.xlen(shard.outbox) == 0
        except redis.RedisError as error:
            raise self._cluster.failed(error) from error

    def _drop_through(self, shard: Shard, last: bytes) -> int:
        ms, sequence = last.split(b"-")
        first_kept = f"{ms.decode()}-{int(sequence) + 1}"
        try:
            return int(self._cluster.run(shard, scripts.TRIM, [shard.outbox], first_kept))
        except redis.ResponseError as error:
            # UNRELAYED: another relay has claimed an entry since we looked. It is dropped next
            # time.
            _log.info("%s not trimmed: %s", shard.outbox, error)
            return 0


def _decided_prefix(entries: list[tuple[bytes, Any]], oldest_pending: bytes | None) -> list[bytes]:
    """Ids from the first entry up to the first that is pending or not wholly decided."""
    prefix: list[tuple[bytes, list[str]]] = []
    for entry_id, fields in entries:
        reservations = _reservation_ids(intents_of(fields))
        if reservations is None or (oldest_pending and not _before(entry_id, oldest_pending)):
            break
        prefix.append((entry_id, reservations))
    with unavailable_when_down("default"):
        known = decided([one for _, reservations in prefix for one in reservations])
    ids = []
    for entry_id, reservations in prefix:
        if not known.issuperset(reservations):
            break
        ids.append(entry_id)
    return ids


def _reservation_ids(intents: list[bytes]) -> list[str] | None:
    """None when one cannot be read: such an entry is evidence and stays."""
    try:
        found = [json.loads(intent)["reservation_id"] for intent in intents]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return found if all(type(one) is str for one in found) else None


def _before(entry_id: bytes, other: bytes) -> bool:
    return [int(part) for part in entry_id.split(b"-")] < [int(part) for part in other.split(b"-")]
