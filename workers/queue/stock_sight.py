"""How many units are free anywhere, read the way the stock agent reads. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Source
from workers.agent.sight import Sight, shard_in
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.stock.keys import Shard
from workers.stock.sale_items import SaleItem


@dataclass(frozen=True)
class Free:
    """Units that were seen: never more than there are, `is_none` only when all were looked at."""

    units: int
    is_none: bool


class StockSight:
    """For one thread; its clusters are its own."""

    def __init__(self, clusters: StockClusters) -> None:
        self._clusters = clusters

    def look(self, items: Sequence[SaleItem]) -> dict[int, Free]:
        """By item; one without a pool is left out. Raises the database's errors."""
        by_id = {item.id: item for item in items}
        before = inventory.views(by_id)
        looked = self._look_at_shards(before)
        now = inventory.views(by_id)
        seen = {}
        for pk, view in now.items():
            if pk in before:
                sight = Sight(by_id[pk], before[pk], view)
                sight.note(looked)
                seen[pk] = _free(sight)
        return seen

    def _look_at_shards(self, views: dict[int, inventory.View]) -> dict[Shard, shards.ShardState]:
        by_source: dict[str, list[tuple[Shard, str]]] = {}
        for pk, view in views.items():
            for allocation in view.selling.values():
                if allocation.script_sha:
                    shard = shard_in(pk, allocation)
                    by_source.setdefault(shard.source, []).append((shard, allocation.script_sha))
        looked: dict[Shard, shards.ShardState] = {}
        for source, group in by_source.items():
            looked |= shards.look(self._clusters[source], group)
        return {
            shard: state
            for shard, state in looked.items()
            if state.fault is None and state.balanced
        }


def _free(sight: Sight) -> Free:
    view = sight.now
    if view.selling and all(one.source == Source.DATABASE for one in view.selling.values()):
        # What its epochs hold is reserved already; the pool itself is what is sold from.
        is_none = view.unallocated == 0 and not (view.under_way or sight.before.under_way)
        return Free(view.unallocated, is_none)
    units = view.unallocated + sight.free
    return Free(units, sight.is_whole and units == 0)
