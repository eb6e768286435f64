"""Landing reservations as orders, and taking orders back (`control_plane.orders.services`)."""

from collections.abc import Sequence

from tests.sim.nouns import Barrier, Intent, Message
from tests.sim.pg_tables import Allocation, Order, Postgres, Rejection, query, transaction


@transaction
def land(pg: Postgres, partition: int, batch: Sequence[Message]) -> None:
    """Decide every reservation of a batch, in order; a repeat gets its first answer.

    A barrier counts as seen only together with everything that stood before it.
    """
    for message in batch:
        if isinstance(message, Barrier):
            pg.barriers_seen[message.rearm_id, partition] = None
        else:
            _decide(pg, message)
            pg.world.history.note_settled(message)


def _decide(pg: Postgres, intent: Intent) -> None:
    known = pg.order_of.get(intent.rid) or pg.rejections.get(intent.rid)
    if known is not None and pg.world.guarded("landed once"):
        if known.tag != intent.tag:
            # Reserved again in an epoch that did not know it, and took units for nothing.
            _give_back(pg, intent)
        return
    row = pg.allocations.get(intent.tag)
    if row is None:
        _reject(pg, intent, "no_allocation")
    elif pg.units_of(intent.shopper) + intent.qty > pg.limit and pg.world.guarded(
        "limit in PostgreSQL"
    ):
        _reject(pg, intent, "over_limit")
        _give_back(pg, intent)
    elif row.state == "closed":
        _land_late(pg, intent)
    elif row.leftover < intent.qty and pg.world.guarded("cap in PostgreSQL"):
        _reject(pg, intent, "over_granted")
    else:
        row.consumed += intent.qty
        _confirm(pg, intent)


def _land_late(pg: Postgres, intent: Intent) -> None:
    """Its epoch is closed and its leftover is in the pool: only from there can it have units."""
    taking = pg.world.guarded("late event takes from the pool")
    if taking and pg.unallocated < intent.qty:
        _reject(pg, intent, "closed_epoch")
        return
    if taking:
        pg.unallocated -= intent.qty
    pg.late.append((intent.rid, "confirmed"))
    _confirm(pg, intent)


def _confirm(pg: Postgres, intent: Intent) -> None:
    order = Order(pg.world.new_id(), intent.rid, intent.tag, intent.shopper, intent.qty)
    pg.orders[order.id] = pg.order_of[intent.rid] = order
    pg.ledger.append((order.id, "CONFIRM"))


def _reject(pg: Postgres, intent: Intent, reason: str) -> None:
    pg.rejections[intent.rid] = Rejection(intent.rid, intent.tag, intent.shopper, reason)
    if reason == "closed_epoch":
        pg.late.append((intent.rid, "rejected"))


def _give_back(pg: Postgres, intent: Intent) -> None:
    """Units that an open epoch's shard took and no order uses: to the pool, once per hold."""
    hold = (intent.rid, intent.epoch)
    row: Allocation | None = pg.allocations.get(intent.tag)
    if row is None or row.state == "closed" or hold in pg.given_back:
        return
    if row.leftover >= intent.qty and pg.world.guarded("unused holds go back"):
        pg.given_back[hold] = None
        row.granted -= intent.qty
        pg.unallocated += intent.qty


@query
def live_orders(pg: Postgres) -> list[tuple[int, str, str]]:
    """Ids, shoppers and reservations of unpaid orders."""
    rows = pg.orders.values()
    return [(row.id, row.shopper, row.rid) for row in rows if row.state == "unpaid"]


@transaction
def return_units(pg: Postgres, order_id: int, to_state: str) -> bool:
    """End an unpaid order, once; its units go to the pool. True if it has ended."""
    order = pg.orders[order_id]
    if order.state == "unpaid" or not pg.world.guarded("returned once"):
        order.state = to_state
        pg.ledger.append((order_id, "RETURN"))
        pg.unallocated += order.qty
    return not order.live


@transaction
def pay(pg: Postgres, order_id: int) -> None:
    """The payment came before the expiry."""
    order = pg.orders[order_id]
    if order.state == "unpaid":
        order.state = "paid"
