"""PostgreSQL's word on one item: the final truth, and a watch over I1 while the fault happens.

Plain SQL on purpose: a judge that asked the services he judges would share their mistakes.
"""

import threading
from contextlib import closing
from typing import Any

import psycopg2

from tests.drill.judge import OrderRow, Truth

WATCH_EVERY_S = 0.05

_I1 = """
SELECT pool.total, pool.unallocated,
       coalesce((SELECT sum(granted - consumed) FROM inventory_allocation
                  WHERE item_id = pool.item_id AND state <> 'closed'), 0),
       coalesce((SELECT sum(qty) FROM orders_order
                  WHERE item_id = pool.item_id AND state IN ('unpaid', 'paid')), 0)
  FROM inventory_pool pool WHERE pool.item_id = %s
"""
_POOL = """
SELECT pool.total, pool.unallocated,
       coalesce((SELECT sum(granted - consumed) FROM inventory_allocation
                  WHERE item_id = pool.item_id AND state <> 'closed'), 0),
       item.limit_per_shopper
  FROM inventory_pool pool JOIN campaigns_item item ON item.id = pool.item_id
 WHERE pool.item_id = %s
"""
# An order's created_at was read before its transaction began, so what is later than the closing is
# late in truth.
_ORDERS = """
SELECT made.reservation_id, made.shopper, made.qty, made.state,
       coalesce(made.created_at > allocation.closed_at, false)
  FROM orders_order made
  LEFT JOIN inventory_allocation allocation USING (item_id, shard, epoch)
 WHERE made.item_id = %s
"""
_REJECTIONS = "SELECT reservation_id, reason FROM orders_rejection WHERE item_id = %s"
_LEDGER = "SELECT kind, sum(qty) FROM orders_ledgerentry WHERE item_id = %s GROUP BY kind"
_WAREHOUSE = """
SELECT coalesce(sum(qty), 0) FROM warehouse_stockentry WHERE item_id = %s AND kind = 'deduct'
"""
_EPOCHS = """
SELECT shard, epoch, state, granted, consumed FROM inventory_allocation
 WHERE item_id = %s AND state <> 'closed' ORDER BY shard, epoch
"""
_REARMS = """
SELECT allocation.shard, allocation.epoch, rearm.stage, rearm.reason
  FROM inventory_rearm rearm JOIN inventory_allocation allocation ON allocation.id = allocation_id
 WHERE allocation.item_id = %s ORDER BY rearm.created_at
"""
# Also those that were landed later.
_LETTERS = "SELECT count(*) FROM dead_letters_deadletter WHERE item_number = %s"
_SELLING = """
SELECT shard, epoch, source, granted, consumed, script_sha FROM inventory_allocation
 WHERE item_id = %s AND state = 'selling' ORDER BY shard
"""


class Books:
    """Reads; each call takes a connection of its own."""

    def __init__(self, sale_dsn: str, inventory_dsn: str, item: int) -> None:
        self._sale, self._inventory, self.item = sale_dsn, inventory_dsn, item

    def query(self, sql: str, *values: Any, **named: Any) -> list[tuple[Any, ...]]:
        """Rows of the database `sale`, each call in a transaction of its own, committed."""
        return _rows(self._sale, sql, named or values)

    def read(self) -> Truth:
        """Everything the judge wants to know. One statement each: call it at rest."""
        [(total, unallocated, leftover, limit)] = self.query(_POOL, self.item)
        ledger = dict(self.query(_LEDGER, self.item))
        [(deducted,)] = _rows(self._inventory, _WAREHOUSE, (self.item,))
        rearms = self.query(_REARMS, self.item)
        return Truth(
            total=total,
            unallocated=unallocated,
            leftover=int(leftover),
            limit=limit,
            orders={row[0]: OrderRow(*row[1:]) for row in self.query(_ORDERS, self.item)},
            rejections=dict(self.query(_REJECTIONS, self.item)),
            confirms=int(ledger.get("confirm", 0)),
            returns=int(ledger.get("return", 0)),
            deducted=int(deducted),
            open_epochs=[
                f"s{shard}:e{epoch} {state} {consumed} of {granted}"
                for shard, epoch, state, granted, consumed in self.query(_EPOCHS, self.item)
            ],
            open_rearms=[
                f"s{shard}:e{epoch} {stage}"
                for shard, epoch, stage, _ in rearms
                if stage != "closed"
            ],
            rearm_reasons=[reason for *_, reason in rearms],
            dead_letters=self.query(_LETTERS, self.item)[0][0],
        )

    def selling(self) -> dict[int, tuple[int, str]]:
        """Shard → epoch and source of what is published for sale."""
        return {
            shard: (epoch, source)
            for shard, epoch, source, _, _, sha in self.query(_SELLING, self.item)
            if sha or source == "database"
        }

    def granted(self) -> dict[int, tuple[int, int]]:
        """Shard → units granted to the epoch that sells, and consumed of them."""
        return {row[0]: (row[3], row[4]) for row in self.query(_SELLING, self.item)}


class Watch:
    """Looks at I1 again and again, in one statement each time; what is wrong once was wrong."""

    def __init__(self, sale_dsn: str, item: int) -> None:
        self._dsn, self._item = sale_dsn, item
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._first_wrong = ""
        self._wrong = 0
        self.looks = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; idempotent."""
        self._stop.set()
        self._thread.join()

    @property
    def complaints(self) -> list[str]:
        """How often I1 did not hold, and how it looked the first time."""
        if not self._wrong:
            return []
        return [f"I1 was off in {self._wrong} of {self.looks} looks, first {self._first_wrong}"]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with closing(psycopg2.connect(self._dsn)) as connection:
                    connection.autocommit = True
                    with connection.cursor() as cursor:
                        while not self._stop.wait(WATCH_EVERY_S):
                            self._look(cursor)
            except psycopg2.OperationalError:
                # PostgreSQL may be the one that is killed.
                self._stop.wait(WATCH_EVERY_S)

    def _look(self, cursor: Any) -> None:
        cursor.execute(_I1, (self._item,))
        total, unallocated, leftover, live = cursor.fetchone()
        self.looks += 1
        if total != unallocated + leftover + live or live > total:
            self._wrong += 1
            self._first_wrong = self._first_wrong or (
                f"total {total}, unallocated {unallocated}, leftover {leftover}, live {live}"
            )


def _rows(dsn: str, sql: str, values: tuple[Any, ...] | dict[str, Any]) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []
