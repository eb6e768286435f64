"""How an old epoch ends: disarmed, drained, behind its barrier, closed (DESIGN §5)."""

import logging
from collections.abc import Callable
from uuid import UUID

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Rearm, RearmStage, Source
from control_plane.orders import services as orders
from workers.agent.barriers import Barriers
from workers.agent.undecided import Undecided
from workers.agent.units import fields
from workers.agent.waits import Waits
from workers.runtime import metrics
from workers.runtime.clock import Clock
from workers.stock import shard as shards
from workers.stock.cluster import NoReplicas, StockClusters
from workers.stock.keys import Shard
from workers.stock.sale_items import shard_of

_log = logging.getLogger(__name__)


class Ending:
    """Brings re-arms on. Where each one stands is in PostgreSQL, so anybody may go on with it."""

    def __init__(
        self, clusters: StockClusters, barriers: Barriers, clock: Clock, waits: Waits
    ) -> None:
        self._clusters = clusters
        self._barriers = barriers
        self._undecided = Undecided(clusters, barriers, clock, waits)
        self._clock = clock

    def keep_only(self, rearm_ids: set[UUID]) -> None:
        """Forget all others: another agent has closed them."""
        self._barriers.keep_only(rearm_ids)
        self._undecided.keep_only(rearm_ids)

    def drive(self, rearm: Rearm) -> bool:
        """As far as it goes now; True when that was any further. Raises as `workers.stock.shard`.

        At most once through all stages, whatever the rows say.
        """
        stages: dict[str, Callable[[Rearm], str | None]] = {
            RearmStage.FENCED: self._disarm,
            RearmStage.DISARMED: self._drain,
            RearmStage.DRAINED: self._send_barrier,
            RearmStage.BARRIER_SENT: self._close,
        }
        began = rearm.stage
        while rearm.stage in stages:
            reached = stages[rearm.stage](rearm)
            if reached is None:
                break
            rearm.stage = reached
        return bool(rearm.stage != began)

    def _disarm(self, rearm: Rearm) -> str | None:
        """Nothing is sold by this epoch any more, also to a gateway with an old snapshot."""
        if _was_published(rearm):
            shard = shard_of(rearm.allocation)
            try:
                shards.disarm(self._clusters.of(shard), shard)
            except NoReplicas:
                # Nothing can be written there; in another life than its own the epoch sells no
                # more.
                if not self._lives_no_more(rearm):
                    raise
        return self._advance(rearm, RearmStage.DISARMED)

    def _lives_no_more(self, rearm: Rearm) -> bool:
        shard = shard_of(rearm.allocation)
        life = shards.life_of(self._clusters.of(shard), shard)
        return rearm.allocation.life not in ("", life)

    def _drain(self, rearm: Rearm) -> str | None:
        """The relay empties the outbox; what is left of it on the node of now will be in Kafka.

        To read and acknowledge as a group are writes. Where there are none the agent itself sends
        what nobody has decided, and `_close` waits until all that can be read is decided.
        """
        shard = shard_of(rearm.allocation)
        if shard.source == Source.DATABASE:
            is_drained = orders.is_database_drained(rearm.allocation_id)
        else:
            is_drained = not _was_published(rearm) or self._is_drained(rearm, shard)
        return self._advance(rearm, RearmStage.DRAINED) if is_drained else None

    def _is_drained(self, rearm: Rearm, shard: Shard) -> bool:
        cluster = self._clusters.of(shard)
        if shards.is_drained(cluster, shard):
            return True
        if shards.takes_writes(cluster, shard):
            return False
        self._undecided.send_all(rearm)
        return True

    def _send_barrier(self, rearm: Rearm) -> str | None:
        """Behind everything that the relay has delivered, in every partition."""
        partitions = self._barriers.send(rearm)
        if partitions is None:
            return None
        return self._advance(rearm, RearmStage.BARRIER_SENT, partitions)

    def _close(self, rearm: Rearm) -> str | None:
        """All that was sold is an order: what is left goes to the pool."""
        if not inventory.all_seen(rearm.pk):
            self._barriers.repeat(rearm)
            return None
        if not self._undecided.is_none(rearm):
            return None
        leftover = inventory.close_epoch(rearm.pk)
        seconds = (self._clock.now() - rearm.created_at).total_seconds()
        metrics.REARM_SECONDS.labels("closed").observe(seconds)
        shard = shard_of(rearm.allocation)
        _log.info("epoch closed, %d units back in the pool", leftover, extra=fields(shard))
        return RearmStage.CLOSED

    def _advance(
        self, rearm: Rearm, to_stage: RearmStage, partitions: int | None = None
    ) -> str | None:
        """None when another agent was quicker: the next round goes on from where that one is."""
        if not inventory.advance(rearm.pk, rearm.stage, to_stage, partitions):
            return None
        _log.info("epoch is %s", to_stage.value, extra=fields(shard_of(rearm.allocation)))
        return to_stage


def _was_published(rearm: Rearm) -> bool:
    """Whether a gateway can ever have sold from its keys: an epoch that ended never gets a SHA."""
    return bool(rearm.allocation.script_sha)
