"""Shopper bans inside the shards, where no way around a gateway leads: `lua/ban.lua`."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from zlib import crc32

from django.db.models import F

from control_plane.inventory.models import Allocation, AllocationState, Source
from workers.risk.penalties import Ban
from workers.risk.settings import Configuration
from workers.runtime.database import unavailable_when_down
from workers.runtime.verdicts import Unavailable
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced, StockClusters
from workers.stock.keys import Shard


def selling() -> dict[Shard, int]:
    """Armed epochs that sell out of a stock Redis → how many shards their item has."""
    with unavailable_when_down("default"):
        rows = list(
            Allocation.objects.filter(state=AllocationState.SELLING)
            .exclude(source=Source.DATABASE)
            .exclude(script_sha="")
            .annotate(count=F("item__shards"))
            .values_list("item_id", "shard", "epoch", "source", "count")
        )
    return {Shard(item, shard, epoch, source): count for item, shard, epoch, source, count in rows}


class ShopperBans:
    """Keeps every selling epoch's bans as they are in force; remembers what it has written."""

    def __init__(
        self,
        clusters: StockClusters,
        epochs: Callable[[], Mapping[Shard, int]] = selling,
    ) -> None:
        """`epochs` as `selling`."""
        self._clusters = clusters
        self._epochs = epochs
        self._written: dict[Shard, dict[str, int]] = {}

    def sync(self, active: Iterable[Ban], configuration: Configuration) -> str | None:
        """Write and lift what differs, in every shard that answers; what is wrong with the others.

        An item whose `risk_mode` is not `enforce` has none: a shard knows no mode, and what stands
        there denies. May be repeated. Raises DatabaseUnavailable.
        """
        ends_ms = {ban.value: ban.until_ms for ban in active if ban.kind == "shopper"}
        epochs = self._epochs()
        self._written = {one: known for one, known in self._written.items() if one in epochs}
        problem = None
        for shard, count in epochs.items():
            is_enforced = configuration.mode_of(shard.item) == "enforce"
            in_force = {
                shopper: end
                for shopper, end in ends_ms.items()
                if is_enforced and crc32(shopper.encode()) % count == shard.shard
            }
            try:
                self._bring(shard, in_force)
            except ShardFenced:
                # Its epoch is over or not armed yet: the next one is a shard of its own.
                self._written.pop(shard, None)
            except Unavailable as error:
                # What was written is unknown, so it is read before the next try.
                self._written.pop(shard, None)
                problem = str(error)
        return problem

    def _bring(self, shard: Shard, wanted: Mapping[str, int]) -> None:
        cluster = self._clusters.of(shard)
        if shard not in self._written:
            # An earlier run of ours may have written some that were lifted since.
            self._written[shard] = shards.bans_of(cluster, shard)
        written = self._written[shard]
        changes = {
            shopper: end for shopper, end in wanted.items() if written.get(shopper) != end
        } | {shopper: 0 for shopper in written if shopper not in wanted}
        rest = iter(changes.items())
        while chunk := dict(islice(rest, shards.BANS_MAX)):
            shards.ban(cluster, shard, chunk)
            written.update(chunk)
        self._written[shard] = {shopper: end for shopper, end in written.items() if end}
