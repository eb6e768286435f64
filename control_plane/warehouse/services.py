"""The warehouse's books. Each order is deducted once and restored once, however often it is told.

Everything here happens in the database `inventory` alone; orders and stock agree because the events
are delivered at least once and counted once, never by a transaction over both databases.

What ended may be told before what began: an order is announced by the order consumer, its end by
the order courier. Each is counted when it comes, and the sum is the same in either order. Until
both have come the shelf shows that order's units once too often; nobody promises by it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import F

from control_plane.config.routers import WAREHOUSE_DATABASE
from control_plane.warehouse.models import Stock, StockEntryKind

DEDUCT, RESTORE = StockEntryKind.DEDUCT.value, StockEntryKind.RESTORE.value
# One statement, one snapshot, two locks in a fixed order: entries by order, then stock by SKU.
# `counted` groups and so ends before the first row of stock is locked; two batches in opposite
# order can wait for each other but not in a circle.
_MOVE = """
WITH entered AS (
    INSERT INTO warehouse_stockentry (order_id, kind, sku, item_id, qty, created_at)
    SELECT order_id, kind, sku, item, qty, %(now)s
      FROM unnest(%(orders)s::bigint[], %(kinds)s::text[], %(skus)s::text[], %(items)s::bigint[],
      %(quantities)s::int[])
           AS line (order_id, kind, sku, item, qty)
     ORDER BY order_id, kind
    ON CONFLICT (order_id, kind) DO NOTHING
    RETURNING order_id, kind, sku, qty
),
counted AS (
    SELECT sku, sum(CASE kind WHEN 'deduct' THEN -qty ELSE qty END) AS qty
      FROM entered GROUP BY sku
),
taken AS (
    INSERT INTO warehouse_stock (sku, on_hand)
    SELECT sku, qty FROM counted ORDER BY sku
    ON CONFLICT (sku) DO UPDATE SET on_hand = warehouse_stock.on_hand + excluded.on_hand
)
SELECT order_id, kind FROM entered
"""
_KNOWN = """
SELECT order_id, kind, sku, qty, created_at FROM warehouse_stockentry
 WHERE order_id = ANY(%s)
"""


class Movement(NamedTuple):
    """An order that takes units from the shelf (DEDUCT), or puts them back (RESTORE)."""

    order_id: int
    sku: str
    item: int
    qty: int
    shopper: str
    kind: str = DEDUCT


class Moved(NamedTuple):
    """A movement as it stands in the books since `created_at`; `fresh` when made by this call."""

    order_id: int
    sku: str
    qty: int
    shopper: str
    created_at: datetime
    fresh: bool
    kind: str = DEDUCT


def stock_in(sku: str, qty: int) -> None:
    """Put `qty` more units of `sku` on the shelf."""
    Stock.objects.get_or_create(sku=sku)
    Stock.objects.filter(sku=sku).update(on_hand=F("on_hand") + qty)


def move(batch: Sequence[Movement], now: datetime) -> list[Moved]:
    """Take every order of the batch off the shelf or put it back, each once, and commit. Blocking.

    Repeat safe: a known movement gives its first answer. One Moved for each distinct one, in the
    order of the batch. The shelf may go below zero: the sale is made, the warehouse has to hear it.
    Raises Django's OperationalError or InterfaceError when the database cannot do it now.
    """
    lines: dict[tuple[int, str], Movement] = {}
    for line in batch:
        lines.setdefault((line.order_id, line.kind), line)
    if not lines:
        return []
    with (
        transaction.atomic(using=WAREHOUSE_DATABASE),
        connections[WAREHOUSE_DATABASE].cursor() as cursor,
    ):
        cursor.execute("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'")
        cursor.execute(_MOVE, _columns(lines) | {"now": now})
        fresh = set(cursor.fetchall())
        known: dict[tuple[int, str], Moved] = {}
        if len(fresh) < len(lines):
            cursor.execute(_KNOWN, [[order_id for order_id, kind in lines.keys() - fresh]])
            for order_id, kind, sku, qty, created_at in cursor.fetchall():
                asked = lines.get((order_id, kind))
                if asked:
                    known[order_id, kind] = Moved(
                        order_id, sku, qty, asked.shopper, created_at, False, kind
                    )
    return [
        Moved(line.order_id, line.sku, line.qty, line.shopper, now, True, line.kind)
        if name in fresh
        else known[name]
        for name, line in lines.items()
    ]


def _columns(lines: Mapping[tuple[int, str], Movement]) -> dict[str, list[Any]]:
    return {
        "orders": [line.order_id for line in lines.values()],
        "kinds": [line.kind for line in lines.values()],
        "skus": [line.sku for line in lines.values()],
        "items": [line.item for line in lines.values()],
        "quantities": [line.qty for line in lines.values()],
    }
