"""Epochs: opened, published, fenced, closed; each step a conditional UPDATE, safe to repeat."""

from tests.sim.nouns import Fenced, Refused, Tag, place_of, sha_of
from tests.sim.pg_tables import (
    Allocation,
    Order,
    Postgres,
    Rearm,
    Rejection,
    copies,
    query,
    transaction,
)
from tests.sim.redis_node import Buyers


@query
def selling(pg: Postgres, shard: int) -> Allocation | None:
    """The allocation that sells, or will once it is armed."""
    rows = [row for row in pg.allocations.values() if row.shard == shard]
    return next((copies([row])[0] for row in rows if row.state == "selling"), None)


@query
def open_rearms(pg: Postgres, shard: int) -> list[Rearm]:
    """Old epochs that are not closed yet, oldest first."""
    rows = pg.rearms.values()
    return copies(row for row in rows if row.tag[0] == shard and row.stage != "closed")


@transaction
def begin_rearm(pg: Postgres, tag: Tag, mode: str) -> None:
    """The fence: this very epoch sells no more. Raises Refused when somebody else has fenced it."""
    row = pg.allocations[tag]
    if row.state != "selling":
        raise Refused(f"{tag} is {row.state}")
    row.state = "draining"
    rearm = Rearm(pg.world.new_id(), tag, mode)
    pg.rearms[rearm.id] = rearm


@transaction
def switch_source(pg: Postgres, mode: str, lease_until: int | None) -> None:
    """From the primary cluster to the standby or back: all epochs are fenced at once.

    Planned, each new epoch waits until its old one is disarmed. Forced (`lease_until`), it waits
    for the gateways' lease instead: the old cluster may be gone for good.
    """
    pg.source = "standby" if pg.source == "primary" else "primary"
    for row in pg.allocations.values():
        if row.state == "selling":
            row.state = "draining"
            rearm = Rearm(pg.world.new_id(), row.tag, mode, lease_until)
            pg.rearms[rearm.id] = rearm


@transaction
def advance(pg: Postgres, rearm_id: int, from_stage: str, to_stage: str) -> None:
    """One stage on; a slower agent's repeat changes nothing."""
    rearm = pg.rearms[rearm_id]
    if rearm.stage == from_stage:
        rearm.stage = to_stage


@query
def all_seen(pg: Postgres, rearm_id: int, partitions: int) -> bool:
    """Consumers have landed everything before the barrier in every partition."""
    needed = partitions if pg.world.guarded("barrier in every partition") else 1
    seen = sum(1 for barrier, _ in pg.barriers_seen if barrier == rearm_id)
    return seen >= needed


@transaction
def close(pg: Postgres, rearm_id: int) -> None:
    """The old epoch is over: what it did not sell goes back to the pool, once."""
    rearm = pg.rearms[rearm_id]
    row = pg.allocations[rearm.tag]
    if row.state == "draining":
        row.state = "closed"
        if pg.world.guarded("leftover returned at close"):
            pg.unallocated += row.leftover
    rearm.stage = "closed"


@transaction
def open_epoch(pg: Postgres, shard: int, source: str, wanted: int, groups: int) -> bool:
    """A new epoch on the group `wanted` of `groups`; False while it may not be opened.

    Not while another one sells. Full mode waits until the old epoch is closed; fast mode only
    until it cannot sell any more.
    """
    for rearm in pg.rearms.values():
        lease_is_over = rearm.lease_until is not None and pg.world.now > rearm.lease_until
        waits = rearm.mode == "full" or (rearm.stage == "fenced" and not lease_is_over)
        if rearm.tag[0] == shard and rearm.stage != "closed" and waits:
            return False
    rows = [row for row in pg.allocations.values() if row.shard == shard]
    if source != pg.source or pg.world.ending or any(row.state == "selling" for row in rows):
        return False
    # Gaps are allowed: the next epoch is the next one whose slot lies on the wanted master.
    epoch = max((row.epoch for row in rows), default=0) + 1
    while place_of((shard, epoch), groups) != wanted:
        epoch += 1
    pg.allocations[shard, epoch] = Allocation(shard, epoch, source)
    return True


@transaction
def claim_life(pg: Postgres, tag: Tag, life: int) -> None:
    """The epoch belongs to the life that was written first; raises Fenced in any other.

    Before the first key is written: an agent that still sees the old master and one that sees the
    new one would else both arm this epoch, and grants marked as applied would be on one of them.
    """
    row = pg.allocations[tag]
    if row.life is None:
        row.life = life
    elif row.life != life and pg.world.guarded("one life an epoch"):
        raise Fenced(f"{tag} belongs to another life")


@query
def source_of(pg: Postgres) -> str:
    """The cluster that sells."""
    return pg.source


@query
def life_of(pg: Postgres, tag: Tag) -> int | None:
    """The life an epoch belongs to; None while no key of it was written."""
    return pg.allocations[tag].life


@query
def was_published(pg: Postgres, tag: Tag) -> bool:
    """Whether a gateway can ever have sold from it; once it is over it is published no more."""
    return bool(pg.allocations[tag].sha)


@query
def decided(pg: Postgres, rid: str) -> bool:
    """Whether PostgreSQL has an answer for the reservation."""
    return rid in pg.order_of or rid in pg.rejections


@query
def draining(pg: Postgres, shard: int) -> list[Tag]:
    """Old epochs whose reservations may not all be orders yet."""
    rows = pg.allocations.values()
    return [row.tag for row in rows if row.shard == shard and row.state == "draining"]


@query
def decided_buyers(pg: Postgres, shard: int) -> Buyers:
    """Every decided reservation of the shard's shoppers, with what still counts of it.

    Also the ended ones, with 0: a retry of theirs must find its reservation known.
    """
    buyers: Buyers = {}
    rows: list[Order | Rejection] = [*pg.orders.values(), *pg.rejections.values()]
    for row in rows:
        if pg.world.home_of(row.shopper) != shard:
            continue
        counts = row.qty if isinstance(row, Order) and row.live else 0
        if counts or pg.world.guarded("ended reservations stay known"):
            buyers.setdefault(row.shopper, {})[row.rid] = counts
    return buyers


@transaction
def record_armed(pg: Postgres, tag: Tag) -> None:
    """Publish the epoch's script to the gateways. Raises Refused."""
    row = pg.allocations[tag]
    if row.state != "selling":
        raise Refused(f"{tag} is {row.state}")
    row.sha = sha_of(tag)
