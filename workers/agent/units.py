"""Units on their way between PostgreSQL and a shard: grants applied, reclaims settled."""

import logging
import uuid

from control_plane.inventory import services as inventory
from control_plane.inventory.models import AllocationState, Reclaim
from workers.runtime import metrics
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.stock.keys import Shard
from workers.stock.sale_items import shard_of

_log = logging.getLogger(__name__)


class Units:
    """Each movement has its id in PostgreSQL before the script sees it, so all may be repeated.

    Raises ShardFenced, Unavailable, InventoryError; the next round goes on from the rows.
    """

    def __init__(self, clusters: StockClusters) -> None:
        self._clusters = clusters

    def give(self, allocation_id: int, shard: Shard, qty: int) -> None:
        """Pool → shard."""
        inventory.begin_grant(allocation_id, qty)
        self.apply_grants(allocation_id, shard)

    def apply_grants(self, allocation_id: int, shard: Shard) -> bool:
        """Bring granted units into the shard, which knows those that are there; False if none."""
        pending = inventory.pending_grants(allocation_id)
        for grant in pending:
            shards.grant(self._clusters.of(shard), shard, grant.pk, grant.qty)
            if inventory.mark_grant_applied(grant.pk):
                metrics.GRANTED.labels(shard.item, shard.shard).inc(grant.qty)
                _log.info("granted %d units", grant.qty, extra=fields(shard))
        return bool(pending)

    def take(self, allocation_id: int, shard: Shard, want: int, low_water: int) -> int:
        """Shard → pool: as many of `want` units as leave it `low_water`; returns how many came."""
        reclaim = inventory.begin_reclaim(allocation_id, want, low_water)
        return self._settle(reclaim.pk, shard, want, low_water)

    def settle(self, reclaim: Reclaim) -> int:
        """Finish what somebody began; void when the epoch sells no more."""
        shard = shard_of(reclaim.allocation)
        if reclaim.allocation.state != AllocationState.SELLING:
            # The shard's units come back when the epoch is closed.
            inventory.settle_reclaim(reclaim.pk, 0)
            return 0
        return self._settle(reclaim.pk, shard, reclaim.want, reclaim.low_water)

    def _settle(self, reclaim_id: uuid.UUID, shard: Shard, want: int, low_water: int) -> int:
        taken = shards.reclaim(self._clusters.of(shard), shard, reclaim_id, want, low_water)
        settled = inventory.settle_reclaim(reclaim_id, taken)
        metrics.RECLAIMED.labels(shard.item, shard.shard).inc(settled)
        _log.info("reclaimed %d units", settled, extra=fields(shard))
        return settled


def fields(shard: Shard) -> dict[str, int]:
    """What a log line says of the shard."""
    return {"item": shard.item, "shard": shard.shard, "epoch": shard.epoch}
