"""What must hold after every step, and what must hold when everything has come to rest."""

from collections import Counter
from typing import TYPE_CHECKING

from tests.sim.nouns import Tag, Violation
from tests.sim.redis_node import Keys
from tests.sim.stock_calls import balance

if TYPE_CHECKING:
    from tests.sim.pg_tables import Postgres
    from tests.sim.world import World


def after_step(world: "World") -> None:
    """Everything that the step may have broken."""
    for node, tag, keys in world.changed_keys:
        _shard_balances(node, tag, keys)
    if world.checked_version != world.pg.version:
        world.checked_version = world.pg.version
        _postgres_is_right(world.pg)
    elif not world.changed_keys:
        return
    world.changed_keys.clear()
    world.history.note_time()


def _shard_balances(node: str, tag: Tag, keys: Keys) -> None:
    if not keys.spoilt and not balance(keys):
        raise Violation(
            f"{tag} on {node}: Σ grants {sum(keys.grants.values())} − Σ reclaims "
            f"{sum(keys.reclaims.values())} ≠ avail {keys.avail} + sold {keys.sold}"
        )


def _postgres_is_right(pg: "Postgres") -> None:
    open_leftover = 0
    for row in pg.allocations.values():
        if row.consumed > row.granted:
            raise Violation(f"{row.tag}: consumed {row.consumed} of {row.granted} granted")
        if row.state != "closed":
            open_leftover += row.leftover
    live, units_of = 0, dict[str, int]()
    for order in pg.orders.values():
        if order.live:
            live += order.qty
            units_of[order.shopper] = units_of.get(order.shopper, 0) + order.qty
    if pg.unallocated < 0:
        raise Violation(f"the pool holds {pg.unallocated} units")
    if live > pg.total:
        raise Violation(f"oversold: {live} of {pg.total}")
    if pg.total != pg.unallocated + open_leftover + live:
        raise Violation(
            f"I1: total {pg.total} ≠ unallocated {pg.unallocated}"
            f" + open {open_leftover} + live {live}"
        )
    for shopper, units in units_of.items():
        if units > pg.limit:
            raise Violation(f"{shopper} has {units} units, at most {pg.limit}")
    _nothing_stands_twice(pg)


def _nothing_stands_twice(pg: "Postgres") -> None:
    if len(pg.order_of) != len(pg.orders):
        raise Violation("two orders of one reservation")
    if len(set(pg.ledger)) != len(pg.ledger):
        twice = [entry for entry, times in Counter(pg.ledger).items() if times > 1]
        raise Violation(f"twice in the ledger: {twice}")


def at_rest(world: "World") -> None:
    """Nothing is under way: every answer was kept, every unit is where PostgreSQL says."""
    history, pg = world.history, world.pg
    for rid in history.answered:
        decided = rid in pg.order_of or rid in pg.rejections
        if not decided and rid not in history.lost:
            raise Violation(f"{rid} was answered reserved and nobody knows what became of it")
    for hold, intent in history.holds.items():
        raise Violation(f"{hold} ({intent.qty} units) was never decided")
    for rid, _ in history.produced:
        if rid not in pg.order_of and rid not in pg.rejections:
            raise Violation(f"{rid} was in Kafka and was never decided")
    _promises_kept(world)
    for row in pg.allocations.values():
        if row.state != "selling":
            continue
        keys = world.cluster.group_of(row.tag).master.data[row.tag]
        if row.leftover != keys.avail:
            raise Violation(f"{row.tag}: {row.leftover} units in PostgreSQL, {keys.avail} in Redis")


def _promises_kept(world: "World") -> None:
    """Refusals after RESERVED: which faults allow which."""
    for row in world.pg.rejections.values():
        if world.faults.lossless:
            raise Violation(f"{row.rid} was refused without a failover: {row.reason}")
        # No fault makes a fenced shard sell more than it was granted; only a spoilt counter does.
        if row.reason == "no_allocation" or (
            row.reason == "over_granted" and world.faults.kind == "lossy"
        ):
            raise Violation(f"{row.rid} was refused: {row.reason}")
    if world.faults.lossless and (world.history.lost or world.pg.late):
        raise Violation(
            f"lost {list(world.history.lost)}, late {world.pg.late}, without a failover"
        )


def sold_out_is_true(world: "World") -> None:
    """Somebody who kept asking at one shard was told sold_out: then nothing is left anywhere."""
    if world.history.free_units() > 0:
        raise Violation(f"sold_out with {world.history.free_units()} units free")


def all_closed(world: "World") -> None:
    """After the campaign every unit is in the pool or sold."""
    pg = world.pg
    still_open = [row.tag for row in pg.allocations.values() if row.state != "closed"]
    if still_open or pg.total != pg.unallocated + pg.live_units():
        raise Violation(f"units left behind; open: {still_open}, in the pool: {pg.unallocated}")
