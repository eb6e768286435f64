"""Moving units: pool ↔ allocation, and the marketer's changes."""

from dataclasses import dataclass

from tests.sim.nouns import Refused, Tag
from tests.sim.pg_tables import (
    Allocation,
    Grant,
    Postgres,
    Reclaim,
    copies,
    query,
    transaction,
)


@dataclass(frozen=True, slots=True)
class View:
    """One statement's view of where units are, apart from the shards themselves."""

    unallocated: int
    selling: dict[int, Allocation]
    # Grants or reclaims under way, or an old epoch's leftover: units may be where nobody looks.
    units_under_way: bool
    # Changes whenever units have moved since.
    movements: tuple[int, int]


@query
def view(pg: Postgres) -> View:
    """What the agent plans by."""
    selling = {row.shard: row for row in copies(pg.allocations.values()) if row.state == "selling"}
    open_tags = [row.tag for row in selling.values()]
    under_way = (
        # A grant that its epoch did not live to see went back to the pool with the leftover.
        any(not grant.applied and grant.tag in open_tags for grant in pg.grants.values())
        or any(reclaim.taken is None for reclaim in pg.reclaims.values())
        or any(row.state == "draining" and row.leftover for row in pg.allocations.values())
    )
    return View(pg.unallocated, selling, under_way, (len(pg.grants), len(pg.reclaims)))


@query
def snapshot(pg: Postgres) -> dict[int, int]:
    """Shard → epoch of what gateways may sell: the newest epoch, once it is armed."""
    rows = pg.allocations.values()
    return {row.shard: row.epoch for row in rows if row.state == "selling" and row.sha}


@transaction
def begin_grant(pg: Postgres, tag: Tag, qty: int) -> None:
    """Move units pool → allocation under a new id. Raises Refused."""
    row = pg.allocations[tag]
    if pg.unallocated < qty:
        raise Refused("the pool has fewer units")
    if row.state != "selling" and pg.world.guarded("grants only to a selling epoch"):
        raise Refused(f"{tag} is {row.state}")
    pg.unallocated -= qty
    row.granted += qty
    grant = Grant(pg.world.new_id(), tag, qty)
    pg.grants[grant.id] = grant


@query
def pending_grants(pg: Postgres, tag: Tag) -> list[Grant]:
    """Grants that may not have reached the shard yet, oldest first."""
    return copies(grant for grant in pg.grants.values() if grant.tag == tag and not grant.applied)


@transaction
def mark_grant_applied(pg: Postgres, grant_id: int) -> None:
    """The shard has the units. Idempotent."""
    pg.grants[grant_id].applied = True


@transaction
def begin_reclaim(pg: Postgres, tag: Tag, want: int, low_water: int) -> None:
    """Write the request down; nothing has moved yet. Raises Refused."""
    if pg.allocations[tag].state != "selling":
        raise Refused(f"{tag} is {pg.allocations[tag].state}")
    reclaim = Reclaim(pg.world.new_id(), tag, want, low_water)
    pg.reclaims[reclaim.id] = reclaim


@query
def unsettled_reclaims(pg: Postgres, shard: int) -> list[tuple[Reclaim, bool]]:
    """Reclaims of a shard that have moved nothing yet, and whether their epoch still sells."""
    return [
        (reclaim, pg.allocations[reclaim.tag].state == "selling")
        for reclaim in copies(pg.reclaims.values())
        if reclaim.taken is None and reclaim.tag[0] == shard
    ]


@transaction
def settle_reclaim(pg: Postgres, reclaim_id: int, taken: int) -> None:
    """Move what the script took to the pool, once; void when the epoch sells no more."""
    reclaim = pg.reclaims[reclaim_id]
    if reclaim.taken is not None and pg.world.guarded("reclaim once"):
        return
    row = pg.allocations[reclaim.tag]
    valid = row.state == "selling" or not pg.world.guarded("reclaim only from a selling epoch")
    if valid and row.leftover >= taken:
        row.granted -= taken
        pg.unallocated += taken
        reclaim.taken = taken
    else:
        # The shard's units come back when the epoch is closed.
        reclaim.taken = 0


@transaction
def top_up(pg: Postgres, qty: int) -> None:
    """The marketer adds units."""
    pg.total += qty
    pg.unallocated += qty


@transaction
def withdraw(pg: Postgres, qty: int) -> None:
    """The marketer takes units that no shard has. Raises Refused."""
    if pg.unallocated < qty:
        raise Refused("the pool has fewer units")
    pg.total -= qty
    pg.unallocated -= qty
