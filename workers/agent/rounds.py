"""The agent's round: everything on sale brought one step further (DESIGN §5).

Every step can be repeated, and what is to be done next stands in PostgreSQL: a new agent goes on
where a dead one stopped, and a second one at the same time does no harm.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random

import redis

from control_plane.inventory import services as inventory
from control_plane.inventory.models import RearmMode, Source
from workers.agent.arming import Arming
from workers.agent.barriers import Barriers
from workers.agent.gauges import Gauges
from workers.agent.planning import Planning
from workers.agent.rearm import Ending
from workers.agent.releases import release_ended
from workers.agent.sight import Sight, shard_in
from workers.agent.units import Units, fields
from workers.agent.waits import Waits
from workers.runtime.clock import Clock
from workers.runtime.database import unavailable_when_down
from workers.runtime.verdicts import Unavailable
from workers.stock import sale_items
from workers.stock import shard as shards
from workers.stock.cluster import ShardFenced, StockClusters
from workers.stock.keys import Shard
from workers.stock.sale_items import shard_of
from workers.stock.shard import ShardState

# Arming many shards takes this much of a round; the others' units move on in between.
ARMING_S = 0.5
# An epoch that could not be armed for this long may be opened anew elsewhere.
UNARMED_MAX_S = 1.0

_log = logging.getLogger(__name__)


class StockAgent:
    """One process. What it remembers only spares work: PostgreSQL and the shards know the rest."""

    def __init__(
        self,
        clusters: StockClusters,
        barriers: Barriers,
        clock: Clock,
        arm_lead: timedelta,
        rng: Random | None = None,
    ) -> None:
        self._clusters = clusters
        self._clock = clock
        self._arm_lead = arm_lead
        self._rng = rng or Random()
        self._arming = Arming(clusters, clock)
        self._waits = Waits(clock)
        self._ending = Ending(clusters, barriers, clock, self._waits)
        self._units = Units(clusters)
        self._planning = Planning(clusters, self._units, clock, self._rng, self._selling)
        self._gauges = Gauges()
        # Epochs of the source `database` that were published, and when others could not be armed.
        self._published: set[int] = set()
        self._unarmed_since: dict[int, float] = {}
        self._problem: str | None = None
        self._has_moved = False

    @property
    def has_moved(self) -> bool:
        """Whether the last round changed anything, so that the next one should come soon."""
        return self._has_moved

    def round(self) -> str | None:
        """One round; raises Unavailable without PostgreSQL, and KafkaException for good.

        Returns what kept it from looking after some item, None when nothing did.
        """
        self._problem, self._has_moved = None, False
        with unavailable_when_down("default"):
            items = {one.id: one for one in self._items()}
            views = inventory.views(items)
        sights = {pk: Sight(items[pk], view, view) for pk, view in views.items()}
        self._look(sights)
        self._end_epochs()
        self._settle(sights)
        if self._has_moved or _is_any_unarmed(sights):
            self._refresh(sights)
            self._begin_epochs(sights)
        self._supply(sights)
        self._refresh(sights)
        for sight in sights.values():
            with self._contained(f"item {sight.item.id}"):
                self._has_moved |= self._planning.act(sight)
        with self._contained("releases"):
            views = {pk: sight.now for pk, sight in sights.items()}
            release_ended(self._clusters, views, self._waits)
        for gone in self._gauges.show(sights):
            self._planning.forget(gone)
        return self._problem

    def _items(self) -> list[sale_items.SaleItem]:
        return sale_items.on_sale(self._clock.now(), self._arm_lead)

    def _look(self, sights: dict[int, Sight]) -> None:
        """See the shards that were armed and not seen yet; one that its node refuses is fenced."""
        armed = [
            (shard_in(pk, allocation), allocation)
            for pk, sight in sights.items()
            for number, allocation in sight.now.selling.items()
            if allocation.script_sha and number not in sight.seen
        ]
        by_source: dict[str, list[tuple[Shard, str]]] = {}
        for shard, allocation in armed:
            by_source.setdefault(shard.source, []).append((shard, allocation.script_sha))
        looked: dict[Shard, ShardState] = {}
        for source, group in by_source.items():
            with self._contained(f"stock source {source}"):
                looked |= shards.look(self._clusters[source], group)
        for shard, allocation in armed:
            state = looked.get(shard)
            if state is None:
                self._note(f"{shard.tag} cannot be seen")
                continue
            fault = state.fault or (None if state.balanced else "its books do not balance")
            if fault:
                del looked[shard]
                self._fence(shard, allocation.id, fault)
            elif not state.takes_writes:
                self._note(f"{shard.tag} takes no writes")
        for sight in sights.values():
            sight.note(looked)

    def _fence(self, shard: Shard, allocation_id: int, fault: str) -> None:
        """An epoch that its node refuses to sell is over; a new one gets its units."""
        with self._contained(shard.tag):
            _log.error("shard fenced: %s", fault, extra=fields(shard))
            inventory.begin_rearm(allocation_id, RearmMode.FAST, fault[:200])
            self._has_moved = True

    def _end_epochs(self) -> None:
        """Old epochs of all items, those of ended campaigns too."""
        with unavailable_when_down("default"):
            rearms = inventory.open_rearms()
        self._ending.keep_only({rearm.pk for rearm in rearms})
        for rearm in rearms:
            with self._contained(f"the end of {rearm}"):
                self._has_moved |= self._ending.drive(rearm)
        self._gauges.show_rearms(rearms)

    def _settle(self, sights: dict[int, Sight]) -> None:
        """Units that were on their way to the pool, and from there to whoever withdraws them.

        Who has such units is not planned with: nobody knows what it has, or it refuses to say.
        """
        places = {
            allocation.id: (sight, number)
            for sight in sights.values()
            for number, allocation in sight.now.selling.items()
        }
        silent = {pk for pk, (sight, number) in places.items() if number in sight.refusing}
        with unavailable_when_down("default"):
            unsettled = inventory.unsettled_reclaims()
        for reclaim in unsettled:
            shard, pk = shard_of(reclaim.allocation), reclaim.allocation_id
            if pk in places:
                sight, number = places[pk]
                sight.forget(number)
            if pk in silent:
                continue
            is_settled = False
            with self._selling(shard, pk):
                self._units.settle(reclaim)
                self._has_moved = is_settled = True
            if not is_settled:
                # One refusal is enough; it would give the others the same answer.
                silent.add(pk)
        waiting = [pk for pk, sight in sights.items() if sight.now.waiting_withdrawals]
        if waiting:
            with self._contained("withdrawals"):
                self._has_moved |= inventory.settle_withdrawals(waiting) > 0

    def _begin_epochs(self, sights: dict[int, Sight]) -> None:
        """Open and arm what is missing, in any order: one that takes long is not always first."""
        with unavailable_when_down("default"):
            source, _ = inventory.current_source()
        until = self._clock.monotonic() + ARMING_S
        missing = [(sight, number) for sight in sights.values() for number in _unarmed(sight)]
        self._rng.shuffle(missing)
        opened = False
        for sight, number in missing:
            if number not in sight.now.selling and self._clock.monotonic() < until:
                with self._contained(f"item {sight.item.id} shard {number}"):
                    last = sight.now.last_epoch.get(number, 0)
                    opened |= self._arming.open(sight.item.id, number, last, source)
        if opened:
            self._refresh(sights)
        for sight, number in missing:
            if number in sight.now.selling and self._clock.monotonic() < until:
                self._arm(sight, number)
        if self._has_moved:
            self._refresh(sights)
            self._look(sights)

    def _arm(self, sight: Sight, number: int) -> None:
        allocation = sight.now.selling[number]
        shard = shard_in(sight.item.id, allocation)
        if shard.source == Source.DATABASE and allocation.id in self._published:
            return
        with self._selling(shard, allocation.id):
            try:
                self._arming.arm(sight.item, allocation.id, shard)
            except Unavailable:
                self._move_elsewhere(shard, allocation.id)
                raise
            self._arming.note_sells_again(sight.item.id, number)
            self._published.add(allocation.id)
            self._unarmed_since.pop(allocation.id, None)
            self._has_moved = True

    def _move_elsewhere(self, shard: Shard, allocation_id: int) -> None:
        """Its master was well when the epoch was opened, and is not now; another one is."""
        now = self._clock.monotonic()
        since = self._unarmed_since.setdefault(allocation_id, now)
        if now - since >= UNARMED_MAX_S and self._arming.is_misplaced(shard):
            self._fence(shard, allocation_id, "it could not be armed, another master can")

    def _supply(self, sights: dict[int, Sight]) -> None:
        """Grants that may not have reached their shard."""
        for sight in sights.values():
            if not sight.now.under_way:
                continue
            for number in list(sight.states):
                allocation = sight.now.selling[number]
                shard = shard_in(sight.item.id, allocation)
                is_as_seen = False
                with self._selling(shard, allocation.id):
                    is_as_seen = not self._units.apply_grants(allocation.id, shard)
                    self._has_moved |= not is_as_seen
                if not is_as_seen:
                    # It has other units than were seen, or nobody knows which.
                    sight.forget(number)

    def _refresh(self, sights: dict[int, Sight]) -> None:
        """The views of now; what was seen of an epoch that has ended since is forgotten."""
        with unavailable_when_down("default"):
            views = inventory.views(sights)
        for pk, sight in sights.items():
            old, sight.now = sight.now.selling, views[pk]
            for number in list(sight.seen):
                selling = sight.now.selling.get(number)
                if selling is None or selling.id != old[number].id:
                    sight.drop(number)

    @contextmanager
    def _selling(self, shard: Shard, allocation_id: int) -> Iterator[None]:
        """As `_contained`; an epoch that turns out to be fenced is over."""
        with self._contained(shard.tag):
            try:
                yield
            except ShardFenced as fault:
                self._fence(shard, allocation_id, str(fault))

    @contextmanager
    def _contained(self, what: str) -> Iterator[None]:
        """The next round starts from what PostgreSQL says then; other items go on now."""
        try:
            with unavailable_when_down("default"):
                yield
        except inventory.AllocationNotSelling:
            # Another agent, a marketer or the clock was quicker.
            self._has_moved = True
        except (Unavailable, ShardFenced, inventory.InventoryError, redis.ResponseError) as error:
            self._waits.note(what, error)
            self._note(f"{what}: {error}")

    def _note(self, problem: str) -> None:
        self._problem = problem


def _unarmed(sight: Sight) -> list[int]:
    """Shard numbers that have no epoch, or one that is not published."""
    selling = sight.now.selling
    return [
        number
        for number in range(sight.item.shards)
        if number not in selling or not selling[number].script_sha
    ]


def _is_any_unarmed(sights: dict[int, Sight]) -> bool:
    return any(_unarmed(sight) for sight in sights.values())
