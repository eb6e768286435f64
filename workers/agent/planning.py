"""Where an item's units should go next: withdrawn, handed out, levelled, or said to be sold out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

from workers.agent import levelling
from workers.agent.sight import Sight, shard_in
from workers.agent.units import Units
from workers.runtime.clock import Clock
from workers.stock import shard as shards
from workers.stock.cluster import StockClusters
from workers.stock.keys import Shard

# Whom the last units were brought to has this long to buy them, before others who were refused get
# them. Longer than the gateways tell a refused shopper to wait; still every wish is served in 2 s.
TAIL_REST_S = 1.0
# reserve.lua believes a mark for 1 s; a younger one than this is not repeated, it is a write.
MARK_STANDS_MS = 400


# Keeps the trouble of one epoch (its shard, the allocation's id) from whoever comes after it.
Contained = Callable[[Shard, int], AbstractContextManager[None]]


class Planning:
    """Acts on what a round has seen. A shard that fails is left out, the others go on."""

    def __init__(
        self,
        clusters: StockClusters,
        units: Units,
        clock: Clock,
        rng: Random,
        contained: Contained,
    ) -> None:
        self._clusters = clusters
        self._units = units
        self._clock = clock
        self._rng = rng
        self._contained = contained
        self._tail_moved_at: dict[int, float] = {}
        self._marked_ms: dict[Shard, int] = {}

    def act(self, sight: Sight) -> bool:
        """One step further; True when units were moved."""
        if not sight.states:
            return False
        if sight.now.waiting_withdrawals and sight.free:
            return self._take_back(sight)
        if sight.now.unallocated:
            return self._share_out(sight)
        if self._level(sight):
            return True
        if sight.is_whole:
            self._mark(sight)
        return False

    def forget(self, item_id: int) -> None:
        """The item is sold no more."""
        self._tail_moved_at.pop(item_id, None)
        self._marked_ms = {
            shard: version for shard, version in self._marked_ms.items() if shard.item != item_id
        }

    def _take_back(self, sight: Sight) -> bool:
        """What a marketer withdraws and the pool does not have, from the fullest shards first."""
        missing = sight.now.waiting_withdrawals - sight.now.unallocated
        moved = 0
        for number, one in sorted(sight.demands.items(), key=lambda pair: -pair[1].avail):
            want = min(one.avail, missing - moved)
            if want > 0:
                moved += self._take(sight, number, want, 0)
        return moved > 0

    def _share_out(self, sight: Sight) -> bool:
        """Pool → shards: equally before the sale and for the first time, then at random."""
        unallocated, demands = sight.now.unallocated, sight.demands
        if sight.item.is_live and sight.now.movements[0]:
            portions = levelling.random_portions(unallocated, demands, self._rng)
        else:
            portions = levelling.equal_shares(unallocated, demands, sight.item.shards)
        if any(demands[number].need for number in portions):
            self._tail_moved_at[sight.item.id] = self._clock.monotonic()
        for number, qty in portions.items():
            self._give(sight, number, qty)
        return bool(portions)

    def _level(self, sight: Sight) -> bool:
        """Units travel to shoppers by reclaim and grant, through the pool."""
        now, demands = self._clock.monotonic(), sight.demands
        is_settled = now - self._tail_moved_at.get(sight.item.id, float("-inf")) >= TAIL_REST_S
        wanted = levelling.targets(demands, self._rng, is_settled)
        missing = {
            number: target - demands[number].avail
            for number, target in wanted.items()
            if target > demands[number].avail
        }
        # Who has none, as after a failover, does not wait until all others have given theirs.
        empty = [number for number in missing if not demands[number].avail]
        moved, in_hand = 0, 0
        for number, target in wanted.items():
            if demands[number].avail > target:
                taken = self._take(sight, number, demands[number].avail - target, target)
                moved, in_hand = moved + taken, in_hand + taken
                if empty and in_hand:
                    in_hand -= self._give_missing(sight, empty.pop(0), missing, in_hand)
        if moved and any(demand.need for demand in demands.values()):
            self._tail_moved_at[sight.item.id] = now
        for number in missing:
            in_hand -= self._give_missing(sight, number, missing, in_hand)
        return bool(wanted)

    def _give_missing(
        self, sight: Sight, number: int, missing: dict[int, int], in_hand: int
    ) -> int:
        """As much as there is of what it lacks; how much that was."""
        qty = min(missing[number], in_hand)
        if qty:
            missing[number] -= qty
            self._give(sight, number, qty)
        return qty

    def _mark(self, sight: Sight) -> None:
        """Tell shards whose shoppers ask for more than all shards have together.

        Dated by the first look's clock: what was seen then may be sold out no more a second later.
        """
        version_ms = min(state.time_ms for state in sight.states.values())
        for number, state in sight.states.items():
            allocation = sight.now.selling[number]
            shard = shard_in(sight.item.id, allocation)
            is_fresh = version_ms - self._marked_ms.get(shard, 0) < MARK_STANDS_MS
            if state.lacking > sight.free and not is_fresh:
                with self._contained(shard, allocation.id):
                    cluster = self._clusters.of(shard)
                    if shards.mark_sold_out(cluster, shard, version_ms, sight.free):
                        self._marked_ms[shard] = version_ms

    def _give(self, sight: Sight, number: int, qty: int) -> None:
        allocation = sight.now.selling[number]
        shard = shard_in(sight.item.id, allocation)
        # A grant takes the mark away.
        self._marked_ms.pop(shard, None)
        with self._contained(shard, allocation.id):
            self._units.give(allocation.id, shard, qty)

    def _take(self, sight: Sight, number: int, want: int, low_water: int) -> int:
        allocation = sight.now.selling[number]
        shard, units = shard_in(sight.item.id, allocation), 0
        with self._contained(shard, allocation.id):
            units += self._units.take(allocation.id, shard, want, low_water)
        return units
