"""The warehouse's books. Each order is deducted once, however often its event comes.

Everything here happens in the database `inventory` alone; orders and stock agree because the events
are delivered at least once and counted once, never by a transaction over both databases.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import F

from control_plane.config.routers import WAREHOUSE_DATABASE
from control_plane.warehouse.models import Stock

# One statement, one snapshot, two locks in a fixed order: entries by order, then stock by SKU.
# `counted` groups and so ends before the first row of stock is locked; two batches in opposite
# order can wait for each other but not in a circle.
_DEDUCT = """
WITH entered AS (
    INSERT INTO warehouse_stockentry (order_id, kind, sku, item_id, qty, created_at)
    SELECT order_id, 'deduct', sku, item, qty, %(now)s
      FROM unnest(%(orders)s::bigint[], %(skus)s::text[], %(items)s::bigint[],
      %(quantities)s::int[])
           AS line (order_id, sku, item, qty)
     ORDER BY order_id
    ON CONFLICT (order_id, kind) DO NOTHING
    RETURNING order_id, sku, qty
),
counted AS (SELECT sku, sum(qty) AS qty FROM entered GROUP BY sku),
taken AS (
    INSERT INTO warehouse_stock (sku, on_hand)
    SELECT sku, -qty FROM counted ORDER BY sku
    ON CONFLICT (sku) DO UPDATE SET on_hand = warehouse_stock.on_hand + excluded.on_hand
)
SELECT order_id FROM entered
"""
_KNOWN = """
SELECT order_id, sku, qty, created_at FROM warehouse_stockentry
 WHERE kind = 'deduct' AND order_id = ANY(%s)
"""


class Deduction(NamedTuple):
    """An order that takes units from the shelf."""

    order_id: int
    sku: str
    item: int
    qty: int
    shopper: str


class Deducted(NamedTuple):
    """A deduction as it stands in the books since `created_at`; `fresh` when made by this call."""

    order_id: int
    sku: str
    qty: int
    shopper: str
    created_at: datetime
    fresh: bool


def stock_in(sku: str, qty: int) -> None:
    """Put `qty` more units of `sku` on the shelf."""
    Stock.objects.get_or_create(sku=sku)
    Stock.objects.filter(sku=sku).update(on_hand=F("on_hand") + qty)


def deduct(batch: Sequence[Deduction], now: datetime) -> list[Deducted]:
    """Take every order of the batch off the shelf, once, and commit. Blocking.

    Repeat safe: a known order gives its first answer. One Deducted for each distinct order, in the
    order of the batch. The shelf may go below zero: the sale is made, the warehouse has to hear it.
    Raises Django's OperationalError or InterfaceError when the database cannot do it now.
    """
    lines: dict[int, Deduction] = {}
    for line in batch:
        lines.setdefault(line.order_id, line)
    if not lines:
        return []
    with (
        transaction.atomic(using=WAREHOUSE_DATABASE),
        connections[WAREHOUSE_DATABASE].cursor() as cursor,
    ):
        cursor.execute("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'")
        cursor.execute(_DEDUCT, _columns(lines) | {"now": now})
        fresh = {order_id for (order_id,) in cursor.fetchall()}
        known: dict[int, Deducted] = {}
        if len(fresh) < len(lines):
            cursor.execute(_KNOWN, [[order_id for order_id in lines if order_id not in fresh]])
            known = {
                order_id: Deducted(
                    order_id, sku, qty, lines[order_id].shopper, created_at, fresh=False
                )
                for order_id, sku, qty, created_at in cursor.fetchall()
            }
    return [
        Deducted(order_id, line.sku, line.qty, line.shopper, now, True)
        if order_id in fresh
        else known[order_id]
        for order_id, line in lines.items()
    ]


def _columns(lines: dict[int, Deduction]) -> dict[str, list[Any]]:
    return {
        "orders": [line.order_id for line in lines.values()],
        "skus": [line.sku for line in lines.values()],
        "items": [line.item for line in lines.values()],
        "quantities": [line.qty for line in lines.values()],
    }
