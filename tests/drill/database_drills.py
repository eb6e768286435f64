"""One of the two databases takes no connection for a minute, under orders; then both agree."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import django.db
import psycopg2
from psycopg2 import sql

from tests.drill.drill import Control, Drill, DrillBroken, Figures, Plan
from tests.drill.ground import Ground
from tests.drill.judge import Promises
from tests.drill.sale import Sale

AWAY_S = 60.0
# Each worker waits 5 s between two looks at what is down, and one step may wait for another.
AGREE_WITHIN_S = 30.0
SELLS_WITHIN_S = 20.0
END_ORDERS = 20

_DECIDED = """
SELECT (SELECT count(*) FROM orders_order WHERE item_id = %(item)s)
     + (SELECT count(*) FROM orders_rejection WHERE item_id = %(item)s)
"""
_UNANSWERED = """
SELECT (SELECT count(*) FROM orders_order made WHERE item_id = %(item)s AND NOT EXISTS (
            SELECT FROM orders_stockanswer
             WHERE order_id = made.id AND kind = 'deducted' AND qty = made.qty))
     + (SELECT count(*) FROM orders_order made WHERE item_id = %(item)s AND state = 'cancelled'
           AND NOT EXISTS (SELECT FROM orders_stockanswer
                            WHERE order_id = made.id AND kind = 'restored' AND qty = made.qty))
     + (SELECT count(*) FROM orders_orderevent event JOIN orders_order made
            ON made.id = event.order_id WHERE item_id = %(item)s AND sent_at IS NULL)
"""
_TO_END = "SELECT id FROM orders_order WHERE item_id = %(item)s AND state = 'unpaid' LIMIT %(most)s"
_ON_SHELF = "SELECT on_hand FROM warehouse_stock WHERE sku = %s"
_OF_ORDERS = """
SELECT coalesce(sum(made.qty) FILTER (WHERE state <> 'cancelled'), 0), min(item.sku)
  FROM campaigns_item item LEFT JOIN orders_order made ON made.item_id = item.id
 WHERE item.id = %(item)s
"""


def warehouse_away(ground: Ground, sale: Sale) -> Figures:
    """Orders are made and end as ever; the shelf hears of all of it afterwards."""
    sale.run_for(1.0)
    with _away(ground, "SLUICE_INVENTORY_DSN") as began:
        before = _decided(sale)
        sale.run_for(AWAY_S / 2)
        ended = _end_some(sale)
        sale.run_for(AWAY_S / 2)
        meanwhile = _decided(sale) - before
        unanswered = _unanswered(sale)
        away_s = time.monotonic() - began
    if not meanwhile:
        sale.complain("no order was made while the warehouse was away")
    if not unanswered:
        raise DrillBroken("the warehouse has answered although it was away")
    return {
        "away_s": round(away_s, 1),
        "orders_meanwhile": meanwhile,
        "cancelled_meanwhile": ended,
        "unanswered_then": unanswered,
        **_agreed(ground, sale),
    }


def sale_away(ground: Ground, sale: Sale) -> Figures:
    """The gateway goes on reserving what the shards hold; orders come afterwards."""
    sale.run_for(1.0)
    with _away(ground, "SLUICE_SALE_DSN") as began:
        sale.run_for(AWAY_S)
        away_s = time.monotonic() - began
        meanwhile = len(sale.crowd.recorder.reserved(range(sale.shards), began))
    back = time.monotonic()
    sells = max(sale.until_sells(shard, back, SELLS_WITHIN_S) for shard in range(sale.shards))
    if not meanwhile:
        sale.complain("nothing was reserved while the sale database was away")
    ended = _end_some(sale)
    return {
        "away_s": round(away_s, 1),
        "reserved_meanwhile": meanwhile,
        "sells_after_s": round(max(sells - back, 0.0), 2),
        "cancelled_afterwards": ended,
        **_agreed(ground, sale),
    }


@contextmanager
def _away(ground: Ground, name: str) -> Iterator[float]:
    """PostgreSQL ends every session of the database and accepts no other. Gives when it began."""
    parts = psycopg2.extensions.parse_dsn(ground.environment[name])
    beside = psycopg2.connect(**{**parts, "dbname": "postgres"})
    beside.autocommit = True
    database = sql.Identifier(parts["dbname"])
    with closing(beside), beside.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
        try:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
                [parts["dbname"]],
            )
            if not cursor.fetchone()[0]:
                raise DrillBroken(f"nobody had a session of {parts['dbname']}")
            yield time.monotonic()
        finally:
            cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))
            # Ours have ended too.
            django.db.connections.close_all()


def _end_some(sale: Sale) -> int:
    """Staff cancels orders; how many."""
    from django.utils import timezone

    from control_plane.orders.services import end_order

    ids = [pk for (pk,) in sale.books.query(_TO_END, item=sale.item, most=END_ORDERS)]
    return sum(end_order(pk, "cancelled", timezone.now()) for pk in ids)


def _decided(sale: Sale) -> int:
    return int(sale.books.query(_DECIDED, item=sale.item)[0][0])


def _unanswered(sale: Sale) -> int:
    """What the warehouse has not answered, and what it was not told."""
    return int(sale.books.query(_UNANSWERED, item=sale.item)[0][0])


def _agreed(ground: Ground, sale: Sale) -> Figures:
    """The crowd goes; then every reservation is an order, and shelf and orders say the same."""
    back = time.monotonic()
    sale.crowd.leave()
    promised = len(sale.crowd.recorder.promises)
    give_up = time.monotonic() + AGREE_WITHIN_S
    while wrong := _differences(ground, sale, promised):
        if time.monotonic() > give_up:
            sale.complain(f"{AGREE_WITHIN_S:g} s later: {wrong}")
            break
        time.sleep(0.1)
    return {"agreed_after_s": round(time.monotonic() - back, 2)}


def _differences(ground: Ground, sale: Sale, promised: int) -> str:
    """Empty when there is none."""
    decided, unanswered = _decided(sale), _unanswered(sale)
    [(sold, sku)] = sale.books.query(_OF_ORDERS, item=sale.item)
    with (
        closing(psycopg2.connect(ground.environment["SLUICE_INVENTORY_DSN"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(_ON_SHELF, [sku])
        [(on_hand,)] = cursor.fetchall()
    gone = 2 * sale.plan.units - on_hand
    if decided >= promised and not unanswered and gone == sold:
        return ""
    return f"{decided} of {promised} decided, {unanswered} unanswered, {gone} of {sold} gone"


ASKED_AGAIN = Control(
    guard="a database that is away is asked again",
    file="workers/runtime/database.py",
    old="""        raise DatabaseUnavailable(f"database {alias}: {str(error).strip()}") from error


# SQLSTATE""",
    new="""        raise NotApplied(f"database {alias}: {str(error).strip()}") from error


# SQLSTATE""",
    told="to be decided|lost|later: ",
)
CANCELS = Promises(returns=True)
MINUTE = Plan(rate_per_s=25)
DRILLS = (
    Drill(
        name="warehouse-away",
        fault="the warehouse database takes no connection for a minute",
        act=warehouse_away,
        promises=CANCELS,
        plan=MINUTE,
        group="databases",
    ),
    Drill(
        name="sale-database-away",
        fault="the sale database takes no connection for a minute",
        act=sale_away,
        promises=CANCELS,
        plan=MINUTE,
        controls=(ASKED_AGAIN,),
        group="databases",
    ),
)
