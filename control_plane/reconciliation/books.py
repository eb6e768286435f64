"""The books of one item: what each of them says, and where they do not agree."""

from dataclasses import dataclass

from django.db import connection, connections

from control_plane.config.routers import WAREHOUSE_DATABASE
from control_plane.inventory import services as inventory
from control_plane.reconciliation.models import Difference

FIELDS = (
    *("total", "unallocated", "open_leftover", "live_units"),
    *("units_paid", "units_unpaid", "units_expired", "units_cancelled", "rejections"),
    *("ledger_confirmed", "ledger_returned", "warehouse_deducted", "warehouse_restored"),
)
# One statement, hence one view of the database: no commit falls between two books.
_SALE = """
SELECT coalesce(sum(ours.qty) FILTER (WHERE ours.state = 'paid'), 0),
       coalesce(sum(ours.qty) FILTER (WHERE ours.state = 'unpaid'), 0),
       coalesce(sum(ours.qty) FILTER (WHERE ours.state = 'expired'), 0),
       coalesce(sum(ours.qty) FILTER (WHERE ours.state = 'cancelled'), 0),
       coalesce(sum(confirm.qty), 0), coalesce(sum(giving_back.qty), 0),
       -- What is missing or wrong with one order must not be made up for by another.
       coalesce(sum(abs(ours.qty - coalesce(confirm.qty, 0))), 0),
       coalesce(sum(abs(CASE WHEN ours.state IN ('expired', 'cancelled') THEN ours.qty ELSE 0 END
                        - coalesce(giving_back.qty, 0))), 0),
       (SELECT count(*) FROM orders_rejection WHERE item_id = %(item)s),
       (SELECT sold FROM campaigns_settlement WHERE item_id = %(item)s),
       (SELECT count(*) FROM orders_databaseintent intent WHERE intent.item_id = %(item)s
           AND NOT EXISTS (SELECT FROM orders_order known
                            WHERE known.reservation_id = intent.reservation_id)
           AND NOT EXISTS (SELECT FROM orders_rejection known
                            WHERE known.reservation_id = intent.reservation_id)),
       (SELECT count(*) FROM dead_letters_deadletter
         WHERE item_number = %(item)s AND state IN ('pending', 'exception'))
  FROM orders_order ours
  LEFT JOIN orders_ledgerentry confirm
         ON confirm.order_id = ours.id AND confirm.kind = 'confirm'
  LEFT JOIN orders_ledgerentry giving_back
         ON giving_back.order_id = ours.id AND giving_back.kind = 'return'
 WHERE ours.item_id = %(item)s
"""
_LEDGER = """
SELECT coalesce(sum(qty) FILTER (WHERE kind = 'confirm'), 0),
       coalesce(sum(qty) FILTER (WHERE kind = 'return'), 0)
  FROM orders_ledgerentry WHERE item_id = %(item)s
"""
_WAREHOUSE = """
SELECT coalesce(sum(qty) FILTER (WHERE kind = 'deduct'), 0),
       coalesce(sum(qty) FILTER (WHERE kind = 'restore'), 0)
  FROM warehouse_stockentry WHERE item_id = %(item)s
"""


@dataclass(frozen=True)
class Books:
    """As `models.Reconciliation`, with what could not agree."""

    fields: dict[str, int]
    differences: dict[str, int]

    @classmethod
    def unreadable(cls) -> "Books":
        """Of an item without a pool: there is nothing to fill in."""
        return cls(dict.fromkeys(FIELDS, 0), {Difference.UNREADABLE.value: 1})


def compare(item_id: int) -> Books:
    """Read all books of an item that is over. Raises NoPool, and Django's errors; writes nothing.

    The warehouse is another database and follows by messages: a day after the end they have come.
    Redis is not asked: an epoch's keys are forgotten ten minutes after it was closed (workers/
    README.md), and an item is settled only once all of them are.
    """
    units = inventory.conservation(item_id)
    with connection.cursor() as cursor:
        cursor.execute(_SALE, {"item": item_id})
        paid, unpaid, expired, cancelled, confirmed, returned, *rest = cursor.fetchone()
        wrong_confirms, wrong_returns, rejections, sold, undecided, letters = rest
        cursor.execute(_LEDGER, {"item": item_id})
        ledger_confirmed, ledger_returned = cursor.fetchone()
    with connections[WAREHOUSE_DATABASE].cursor() as cursor:
        cursor.execute(_WAREHOUSE, {"item": item_id})
        deducted, restored = cursor.fetchone()
    ordered, ended, live = paid + unpaid + expired + cancelled, expired + cancelled, paid + unpaid
    found = {
        Difference.UNITS: units.drift,
        Difference.LEDGER: ledger_confirmed - ledger_returned - live,
        # Entries of no order of the item come on top.
        Difference.CONFIRMED: wrong_confirms + abs(ledger_confirmed - confirmed),
        Difference.RETURNED: wrong_returns + abs(ledger_returned - returned),
        Difference.DEDUCTED: deducted - ordered,
        Difference.RESTORED: restored - ended,
        Difference.SETTLEMENT: 0 if sold is None else sold - live,
        Difference.UNSETTLED: int(sold is None),
        Difference.UNDECIDED: undecided + letters,
    }
    equation = (units.total, units.unallocated, units.open_leftover, units.live_orders)
    by_state = (paid, unpaid, expired, cancelled, rejections)
    others = (ledger_confirmed, ledger_returned, deducted, restored)
    fields = dict(zip(FIELDS, (*equation, *by_state, *others), strict=True))
    return Books(fields, {kind.value: amount for kind, amount in found.items() if amount})
