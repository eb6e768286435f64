"""The stock agent: rounds over all shards.

Every `yield` is a place where it may die, stand still for long, or be overtaken by a second agent;
what it does next stands in PostgreSQL's rows.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.sim import agent_rearm, pg_epochs, pg_stock, stock_calls
from tests.sim.nouns import Fenced, NoReplicas, Tag, Trouble, name_of, place_of
from tests.sim.pg_tables import Allocation

if TYPE_CHECKING:
    from tests.sim.world import World

Steps = Iterator[str | None]
# How long a sold-out mark holds, from the moment the agent began to look.
MARK_LIFE_MS = 1000
# Shards are levelled when they differ by more than this, or when one is empty and asked for units.
UNEVEN = 1


class Agent:
    """One process. Nothing in it outlives a crash."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name

    def run(self) -> Steps:
        """Rounds for ever."""
        while True:
            began_ms, before, avail = self.world.now, None, dict[int, int]()
            try:
                before = pg_stock.view(self.world.pg)
            except Trouble as trouble:
                yield f"no view: {trouble!r}"
            yield None
            for shard in range(self.world.shards):
                try:
                    yield from agent_rearm.drive(self, shard)
                    yield from self._look_after(shard, avail)
                except Trouble as trouble:
                    yield f"shard {shard} waits: {trouble!r}"
            try:
                yield from self._plan(avail, before, began_ms)
            except Trouble as trouble:
                yield f"no plan: {trouble!r}"
            self.world.agent_rounds += 1
            yield None

    def redis(self, tag: Tag, script: Any, *args: Any) -> Any:
        """A stock script on the node this agent takes for the master."""
        return self.world.cluster.call(self.name, tag, script, *args)

    def _look_after(self, shard: int, avail: dict[int, int]) -> Steps:
        pg = self.world.pg
        row = pg_epochs.selling(pg, shard)
        yield None
        if row is None:
            source = pg_epochs.source_of(pg)
            yield None
            cluster = self.world.cluster
            wanted = cluster.wanted_place(self.name, source, shard)
            if pg_epochs.open_epoch(pg, shard, source, wanted, len(cluster.sources[source])):
                yield f"opened a new epoch of shard {shard}"
        elif not row.sha:
            try:
                yield from self._unless_fenced(row.tag, agent_rearm.arm(self, row.tag))
            except NoReplicas:
                yield from self._move_elsewhere(row)
                raise
        else:
            yield from self._unless_fenced(row.tag, self._supply(row.tag, avail))

    def _move_elsewhere(self, row: Allocation) -> Steps:
        """Its master took writes when the epoch was opened, and does not now; another one does."""
        yield None
        cluster = self.world.cluster
        wanted = cluster.wanted_place(self.name, row.source, row.shard)
        if wanted != place_of(row.tag, len(cluster.sources[row.source])):
            mode = self.world.rng.choice(self.world.rearm_modes)
            pg_epochs.begin_rearm(self.world.pg, row.tag, mode)
            yield f"moves {name_of(row.tag)} ({mode})"

    def _unless_fenced(self, tag: Tag, steps: Steps) -> Steps:
        """An epoch that its node refuses to sell is over; a new one gets its units."""
        try:
            yield from steps
        except Fenced as fault:
            mode = self.world.rng.choice(self.world.rearm_modes)
            pg_epochs.begin_rearm(self.world.pg, tag, mode)
            yield f"fenced {name_of(tag)} in PostgreSQL ({mode}): {fault!r}"

    def _supply(self, tag: Tag, avail: dict[int, int]) -> Steps:
        seen = self.redis(tag, stock_calls.look)
        avail[tag[0]] = seen.avail
        if not seen.books_balance:
            raise Fenced(f"{name_of(tag)}: its books do not balance")
        yield from self._settle_reclaims(tag[0])
        yield from agent_rearm.apply_grants(self, tag)

    def _settle_reclaims(self, shard: int) -> Steps:
        pg = self.world.pg
        for reclaim, still_selling in pg_stock.unsettled_reclaims(pg, shard):
            taken = 0
            if still_selling:
                taken = self.redis(
                    reclaim.tag, stock_calls.reclaim, reclaim.id, reclaim.want, reclaim.low_water
                )
                yield f"reclaim {reclaim.id} took {taken} from {name_of(reclaim.tag)}"
            pg_stock.settle_reclaim(pg, reclaim.id, taken)
            yield f"reclaim {reclaim.id} settled"

    def _plan(self, avail: dict[int, int], before: pg_stock.View | None, began_ms: int) -> Steps:
        view = pg_stock.view(self.world.pg)
        yield None
        seen = {shard: units for shard, units in avail.items() if shard in view.selling}
        if not seen:
            return
        if view.unallocated:
            yield from self._share_out(view, seen)
        elif max(seen.values()):
            yield from self._level(view, seen)
        elif len(seen) == self.world.shards and self._nothing_moved(before, view):
            yield from self._mark_sold_out(view, began_ms)

    def _nothing_moved(self, before: pg_stock.View | None, after: pg_stock.View) -> bool:
        """The shards were seen empty one after the other; were they empty all at once?

        Only if no unit was under way before the first look or after the last, and none set out
        between: else it may each time have been where nobody looked.
        """
        if not self.world.guarded("two views around the looks"):
            return not after.units_under_way
        return (
            before is not None
            and not (before.units_under_way or after.units_under_way)
            and before.movements == after.movements
            and [row.tag for row in before.selling.values()]
            == [row.tag for row in after.selling.values()]
        )

    def _share_out(self, view: pg_stock.View, avail: dict[int, int]) -> Steps:
        """Random portions, first to whom shoppers were refused, then to the emptiest."""
        rng, wanted = self.world.rng, self.world.refused_for_lack
        shard = min(avail, key=lambda one: (-wanted.get(one, 0), avail[one], one))
        qty = rng.randint(max(1, view.unallocated // 4), view.unallocated)
        wanted.pop(shard, None)
        tag = view.selling[shard].tag
        yield f"plans {qty} for {name_of(tag)}"
        pg_stock.begin_grant(self.world.pg, tag, qty)
        yield f"granted {qty} to {name_of(tag)}"
        yield from agent_rearm.apply_grants(self, tag)

    def _level(self, view: pg_stock.View, avail: dict[int, int]) -> Steps:
        """Units travel by reclaim and grant; the last ones go where they are asked for."""
        rich, poor = max(avail, key=lambda one: avail[one]), min(avail, key=lambda one: avail[one])
        asked = [shard for shard in self.world.refused_for_lack if avail.get(shard, 1) == 0]
        if not asked and avail[rich] - avail[poor] <= UNEVEN:
            return
        want = avail[rich] if asked else (avail[rich] - avail[poor]) // 2
        low_water = 0 if asked else avail[poor]
        donor = view.selling[rich].tag
        if not self.world.guarded("units travel through the pool"):
            yield from self._move_between_nodes(donor, view.selling[poor].tag, want)
            return
        pg_stock.begin_reclaim(self.world.pg, donor, want, low_water)
        yield f"wants {want} back from {name_of(donor)}"
        yield from self._settle_reclaims(rich)

    def _move_between_nodes(self, donor: Tag, taker: Tag, want: int) -> Steps:
        """The mutant: Redis keeps books of its own, PostgreSQL does not hear of it."""
        movement = self.world.new_id()
        taken = self.redis(donor, stock_calls.reclaim, movement, want, 0)
        yield f"took {taken} from {name_of(donor)}"
        self.redis(taker, stock_calls.grant, movement, taken)
        yield f"gave {taken} to {name_of(taker)}"

    def _mark_sold_out(self, view: pg_stock.View, began_ms: int) -> Steps:
        yield "sees nothing left anywhere"
        if not self.world.guarded("sold-out marks expire"):
            until_ms = 10**12
        elif self.world.guarded("mark dated by its look"):
            until_ms = began_ms + MARK_LIFE_MS
        else:
            until_ms = self.world.now + MARK_LIFE_MS
        for row in view.selling.values():
            if self.redis(row.tag, stock_calls.mark_sold_out, until_ms):
                yield f"marked {name_of(row.tag)} sold out until {until_ms}"
