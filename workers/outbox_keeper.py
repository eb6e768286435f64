"""The relay's second thread: which outboxes there are, dropping what is decided and whole epochs.

Apart from the relay's own loop, so that a slow or missing PostgreSQL delays neither reading nor
delivery. Reservations that were made in PostgreSQL are dropped here too, once they are decided.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import redis

from control_plane.orders.services import forget_decided_intents
from workers.outbox_entries import decided_prefix, first_without_letter, ms
from workers.relayed_topic import RelayedTopic
from workers.runtime import metrics
from workers.runtime.clock import Clock, to_ms
from workers.runtime.database import DatabaseUnavailable, unavailable_when_down
from workers.runtime.readiness import Readiness
from workers.runtime.side_thread import SideThread
from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock.cluster import NoReplicas, StockClusters, is_refusal
from workers.stock.keys import RELAY_GROUP, Shard
from workers.stock.sale_items import Outbox, outboxes

LIST_EVERY_S = 0.2
TRIM_EVERY_S = 1.0
ASK_EVERY_S = 5.0
FORGET_EVERY_S = 5.0
OUTBOXES, KAFKA = KEEPER_PARTS = ("outboxes", "Kafka")
# This long after its end a campaign's outboxes are looked after in any case; afterwards until all
# its units are decided or the outbox was seen empty: nobody can write to it any more.
KEEP = timedelta(hours=24)
# A closed epoch's keys stay for this long. An agent that listed it as draining may be copying its
# buyers into the next epoch still, and has read PostgreSQL's decisions before the last of them.
KEYS_KEPT = timedelta(minutes=10)
# A forgotten epoch is looked at this often: an older replica's promotion may bring its keys back.
LOOK_AGAIN_S = 10.0
# One read of a trim: sixteen entries of a full batch are half a megabyte.
TRIM_ENTRIES = 16
TRIM_READS_MAX = 64
# Behind an entry that a dead letter keeps this many more reads look for one that waits for no
# reason; with that many dead letters in one outbox somebody has to look anyway.
AGE_READS_MAX = 16

_log = logging.getLogger(__name__)


class OutboxKeeper(SideThread):
    """Keeps `shards` up to date and the outboxes short; `check` raises what is no outage."""

    def __init__(
        self,
        clusters: StockClusters,
        clock: Clock,
        stop: Event,
        *,
        readiness: Readiness,
        topic: RelayedTopic,
        ask_kafka: Callable[[], None],
    ) -> None:
        super().__init__("outbox-keeper", stop)
        self._clusters = clusters
        self._clock = clock
        self._readiness = readiness
        self._topic = topic
        self._ask_kafka = ask_kafka
        self._asked_at = float("-inf")
        self._trimmed_at = float("-inf")
        self._forgot_at = float("-inf")
        # Outboxes of campaigns long over that were seen empty; forgotten with the process.
        self._drained: set[Shard] = set()
        # Closed epochs whose keys are gone; nobody has to read their outboxes.
        self._forgotten: set[Shard] = set()
        self._looked_again_at = float("-inf")
        # When the first entry that has to stay was written, of each outbox that has one: because a
        # dead letter waits, and for any other reason.
        self._lettered_ms: list[int] = []
        self._oldest_ms: list[int] = []
        # Why the last trim left some of them out.
        self._silent: str | None = None
        self.shards: tuple[Shard, ...] = ()
        # Those of them whose epoch is over.
        self.closed: frozenset[Shard] = frozenset()

    def turn(self) -> float:
        """One round, also when something is down; then the pause until the next."""
        try:
            found = self._list()
            self._forget_intents()
            problem = self._settle_topic()
            if self._clock.monotonic() - self._trimmed_at >= TRIM_EVERY_S:
                self._trimmed_at = self._clock.monotonic()
                self._silent = self._tidy_all(found)
            problem = problem or self._silent
        except DatabaseUnavailable as error:
            problem = str(error)
        if problem:
            _log.warning("outboxes not looked after: %s", problem)
        self._readiness.report(OUTBOXES, problem)
        self._look_at_kafka()
        return LIST_EVERY_S

    def _list(self) -> list[Outbox]:
        with unavailable_when_down("default"):
            found = outboxes(self._clock.now(), KEEP, KEYS_KEPT)
        found = [one for one in found if one.is_closed or one.shard not in self._drained]
        self._forgotten.intersection_update(one.shard for one in found)
        readable = [one for one in found if one.shard not in self._forgotten]
        self.closed = frozenset(one.shard for one in readable if one.is_closed)
        self.shards = tuple(one.shard for one in readable)
        metrics.RELAY_OUTBOXES.set(len(self.shards))
        return found

    def _settle_topic(self) -> str | None:
        """Why it could not be seen to yet, if so."""
        try:
            self._topic.settle(self.shards)
        except DatabaseUnavailable:
            raise
        except Unavailable as error:
            return str(error)
        return None

    def _forget_intents(self) -> None:
        if self._clock.monotonic() - self._forgot_at >= FORGET_EVERY_S:
            self._forgot_at = self._clock.monotonic()
            with unavailable_when_down("default"):
                forget_decided_intents()

    def _tidy_all(self, found: list[Outbox]) -> str | None:
        """Trim every outbox whose node answers; what is wrong with the others."""
        self._oldest_ms, self._lettered_ms = [], []
        problem = None
        look_again = self._clock.monotonic() - self._looked_again_at >= LOOK_AGAIN_S
        if look_again:
            self._looked_again_at = self._clock.monotonic()
        for outbox in found:
            if outbox.shard in self._forgotten and not look_again:
                continue
            try:
                self._tidy(outbox)
            except DatabaseUnavailable:
                # Asking it for every outbox would only take longer.
                raise
            except Unavailable as error:
                problem = str(error)
        now_ms = to_ms(self._clock.now())
        for gauge, times_ms in (
            (metrics.RELAY_UNDECIDED_SECONDS, self._oldest_ms),
            (metrics.RELAY_DEAD_LETTER_SECONDS, self._lettered_ms),
        ):
            gauge.set(max(now_ms - min(times_ms, default=now_ms), 0) / 1000)
        return problem

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
        if outbox.shard not in self._forgotten:
            self.trim(outbox.shard)
        if outbox.is_long_closed:
            self.forget(outbox.shard)
        elif outbox.is_over and not outbox.is_closed and self._is_empty(outbox.shard):
            self._drained.add(outbox.shard)

    def forget(self, shard: Shard) -> bool:
        """Give back the memory of a closed epoch; False while its outbox has anything.

        False too where the master takes no writes; raises Unavailable. May be called for one that
        is forgotten: then it tells whether anything is back.
        """
        cluster = self._clusters.of(shard)
        try:
            gone = int(cluster.run(shard, scripts.FORGET, shard.keys, str(shard.epoch)))
        except NoReplicas:
            # Nobody waits for it: no reason to call the outboxes badly looked after.
            return False
        except redis.ResponseError as error:
            # NOTOVER: an entry that is not relayed or not decided, or that came back.
            _log.debug("%s not forgotten: %s", shard.tag, error)
            self._forgotten.discard(shard)
            return False
        if gone:
            _log.info("forgotten: %d keys of %s", gone, shard.tag)
        self._forgotten.add(shard)
        return True

    def trim(self, shard: Shard) -> int:
        """Drop the longest prefix of entries that are acknowledged and decided; how many went.

        Raises Unavailable.
        """
        dropped = 0
        for _ in range(TRIM_READS_MAX):
            entries, oldest_pending = self._look(shard)
            ids = decided_prefix(shard, entries, oldest_pending)
            if ids:
                dropped += self._drop_through(shard, ids[-1])
            if len(ids) < len(entries):
                self._note_ages(shard, entries[len(ids) :], oldest_pending)
            if len(ids) < TRIM_ENTRIES:
                break
        metrics.RELAY_TRIMMED.inc(dropped)
        return dropped

    def _note_ages(
        self, shard: Shard, entries: list[tuple[bytes, Any]], oldest_pending: bytes | None
    ) -> None:
        """Of the first entry, which has to stay, and of the first that no dead letter explains."""
        first = entries[0][0]
        waits: bytes | None = None
        for _ in range(AGE_READS_MAX):
            waits = first_without_letter(shard, entries, oldest_pending)
            last = entries[-1][0]
            entries, oldest_pending = self._look(shard, after=last) if waits is None else ([], None)
            if not entries:
                break
        else:
            waits = last
        if waits is not None:
            self._oldest_ms.append(ms(waits))
        if waits != first:
            self._lettered_ms.append(ms(first))

    def _look(
        self, shard: Shard, after: bytes | None = None
    ) -> tuple[list[tuple[bytes, Any]], bytes | None]:
        cluster = self._clusters.of(shard)
        node = cluster.node_of(shard)
        try:
            pipeline = node.pipeline(transaction=False)
            pipeline.xpending(shard.outbox, RELAY_GROUP)
            start = "-" if after is None else b"(" + after
            pipeline.xrange(shard.outbox, min=start, count=TRIM_ENTRIES)
            pending, entries = pipeline.execute(raise_on_error=False)
        except redis.RedisError as error:
            raise cluster.failed(error, node) from error
        for reply in (pending, entries):
            if isinstance(reply, redis.RedisError):
                if not is_refusal(reply):
                    raise cluster.failed(reply, node)
                # No such stream or group yet.
                return [], None
        return entries, pending["min"]

    def _is_empty(self, shard: Shard) -> bool:
        """True when the stream is there and holds nothing: a stream that is lost is not empty."""
        cluster = self._clusters.of(shard)
        node = cluster.node_of(shard)
        try:
            return bool(node.exists(shard.outbox)) and node.xlen(shard.outbox) == 0
        except redis.RedisError as error:
            raise cluster.failed(error, node) from error

    def _drop_through(self, shard: Shard, last: bytes) -> int:
        ms, sequence = last.split(b"-")
        first_kept = f"{ms.decode()}-{int(sequence) + 1}"
        cluster = self._clusters.of(shard)
        try:
            return int(cluster.run(shard, scripts.TRIM, [shard.outbox], first_kept))
        except redis.ResponseError as error:
            # UNRELAYED: another relay has claimed an entry since we looked. It is dropped next
            # time.
            _log.info("%s not trimmed: %s", shard.outbox, error)
            return 0
