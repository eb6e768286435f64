"""PostgreSQL's sides of a comparison, streamed into Parquet: `sale` as of one moment, `inventory`.

Plain SQL: what is compared must not come out of the services that are judged by it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import connection, connections, transaction

from control_plane.config.routers import WAREHOUSE_DATABASE
from control_plane.reconciliation.sides import CHUNK, write

# `ms(column)` of these texts is that time in ms, `EPOCH` and `RESERVED` what their rows begin with.
_SHORT = {
    "RESERVED": "EPOCH, shopper, reservation_id, qty",
    "EPOCH": "item_id, shard, epoch",
    "MOVEMENT": "one.id::text, allocation.item_id, allocation.shard, allocation.epoch",
}
_MS = re.compile(r"\bms\(([a-z_.]+)\)")


def _sql(text: str) -> str:
    for short, long in _SHORT.items():
        text = text.replace(short, long)
    return _MS.sub(r"(extract(epoch FROM \1) * 1000)::bigint", text)


_SALE = {
    "items": """
SELECT id, limit_per_shopper, price_minor, currency FROM campaigns_item WHERE id = ANY(%(items)s)
""",
    "allocations": """
SELECT EPOCH, source, state, script_sha <> '', ms(closed_at)
  FROM inventory_allocation WHERE item_id = ANY(%(items)s)
""",
    "orders": """
SELECT id, RESERVED, amount_minor, currency, state, ms(reserved_at), ms(created_at), ms(pay_by),
       replaces_id
  FROM orders_order WHERE item_id = ANY(%(items)s)
""",
    "rejections": """
SELECT RESERVED, reason, ms(created_at) FROM orders_rejection WHERE item_id = ANY(%(items)s)
""",
    "ledger": """
SELECT order_id, kind, item_id, qty, ms(created_at)
  FROM orders_ledgerentry WHERE item_id = ANY(%(items)s)
""",
    "letters": """
SELECT id, item_number, nullif(reservation_id, ''), state, ms(next_at), ms(created_at)
  FROM dead_letters_deadletter WHERE item_number = ANY(%(items)s)
""",
    "grants": """
SELECT MOVEMENT, one.qty, ms(one.created_at), ms(one.applied_at)
  FROM inventory_grant one JOIN inventory_allocation allocation ON allocation.id = allocation_id
 WHERE allocation.item_id = ANY(%(items)s)
""",
    "reclaims": """
SELECT MOVEMENT, one.taken, ms(one.created_at)
  FROM inventory_reclaim one JOIN inventory_allocation allocation ON allocation.id = allocation_id
 WHERE allocation.item_id = ANY(%(items)s)
""",
    "payments": """
SELECT payment.order_id, payment.amount_minor, payment.currency
  FROM payments_payment payment JOIN orders_order ours ON ours.id = payment.order_id
 WHERE ours.item_id = ANY(%(items)s)
""",
    # Put aside ones too. Of a discarded one nobody will hear.
    "unsent": """
SELECT event.order_id, CASE event.type WHEN 'order.created' THEN 'deduct' ELSE 'restore' END
  FROM orders_orderevent event JOIN orders_order ours ON ours.id = event.order_id
 WHERE event.sent_at IS NULL AND event.discarded_at IS NULL
   AND event.type IN ('order.created', 'order.expired', 'order.cancelled')
   AND ours.item_id = ANY(%(items)s)
""",
}
_STOCK_ENTRIES = """
SELECT order_id, kind, item_id, qty, ms(created_at)
  FROM warehouse_stockentry WHERE item_id = ANY(%(items)s)
"""
# What the database took while it was the stock source, for the outbox's file.
_INTENTS = """
SELECT RESERVED, 'database', id::text,
       CASE WHEN relayed_at IS NULL THEN 'waiting' ELSE 'relayed' END, ms(created_at)
  FROM orders_databaseintent WHERE item_id = ANY(%(items)s)
"""


def export_sale(folder: Path, items: Sequence[int]) -> dict[str, int]:
    """All tables of `sale`, as they were in one moment; rows by table. Raises Django's errors.

    The one snapshot keeps an autovacuum from these rows for as long as it takes: a minute for some
    millions.
    """
    values = {"items": list(items)}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return {
            table: write(folder, table, _rows("default", sql, values))
            for table, sql in _SALE.items()
        }


def export_warehouse(folder: Path, items: Sequence[int]) -> int:
    """The warehouse's ledger. To be read before `sale`: what it says follows from orders."""
    with transaction.atomic(using=WAREHOUSE_DATABASE, durable=True):
        rows = _rows(WAREHOUSE_DATABASE, _STOCK_ENTRIES, {"items": list(items)})
        return write(folder, "stock_entries", rows)


def intents(items: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Rows for the outbox's file of what PostgreSQL itself reserved."""
    with transaction.atomic(durable=True):
        yield from _rows("default", _INTENTS, {"items": list(items)})


def _rows(alias: str, sql: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """By a cursor on the server, so that no result stands in memory whole."""
    django = connections[alias]
    django.ensure_connection()
    with (
        django.wrap_database_errors,
        django.connection.cursor(name=f"reconcile_{uuid4().hex}") as cursor,
    ):
        cursor.itersize = CHUNK
        cursor.execute(_sql(sql), values)
        yield from cursor


def moment_ms(moment: datetime) -> int:
    """As the files have times."""
    return int(moment.timestamp() * 1000)


def before(moment: datetime, settle: timedelta) -> int:
    """What is younger than this is still under way."""
    return moment_ms(moment - settle)
