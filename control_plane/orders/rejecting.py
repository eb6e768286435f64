"""A reservation that a person gives up, because nothing can land it: decided as landing would."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from control_plane.orders.landed import Intent, Landed
from control_plane.orders.landing import give_back
from control_plane.orders.models import RejectionReason

_LIMITS = "SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'"
# Pool, then allocation, as everywhere; statements of their own, as in landing.sql.
_LOCK_POOL = "SELECT FROM inventory_pool WHERE item_id = %(item)s FOR NO KEY UPDATE"
_LOCK_ALLOCATION = """
SELECT FROM inventory_allocation
 WHERE item_id = %(item)s AND shard = %(shard)s AND epoch = %(epoch)s
   FOR NO KEY UPDATE
"""
_REJECT = """
WITH refused AS (
    INSERT INTO orders_rejection (reservation_id, item_id, shard, epoch, shopper, qty, reason,
                                  created_at)
    SELECT %(reservation)s, %(item)s, %(shard)s, %(epoch)s, %(shopper)s, %(qty)s, %(reason)s,
           %(now)s
     WHERE NOT EXISTS (SELECT FROM orders_order WHERE reservation_id = %(reservation)s)
    ON CONFLICT (reservation_id) DO NOTHING
    RETURNING reservation_id, item_id, shard, shopper
),
to_release AS (
    INSERT INTO orders_holdrelease (reservation_id, item_id, shard, shopper, created_at)
    SELECT refused.reservation_id, refused.item_id, refused.shard, refused.shopper, %(now)s
      FROM refused
      JOIN campaigns_item item ON item.id = refused.item_id
      JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
     WHERE campaign.state <> 'ended'
)
SELECT FROM refused
"""
_DECIDED = """
SELECT known.reservation_id, known.item_id, known.shopper, known.qty, known.id, known.state, '',
       item.sku, known.amount_minor, known.currency, known.created_at, known.pay_by
  FROM orders_order known JOIN campaigns_item item ON item.id = known.item_id
 WHERE known.reservation_id = %(reservation)s
UNION ALL
SELECT reservation_id, item_id, shopper, qty, NULL, '', reason, '', 0, '', created_at, NULL
  FROM orders_rejection
 WHERE reservation_id = %(reservation)s
"""


def reject(intent: Intent, now: datetime) -> Landed:
    """Refuse the reservation as `discarded`, unless it is decided already; what it is then.

    Its units go back to the pool and its shard hears of it, as of any other rejection. Commits; a
    repeat, and a landing that comes later, give the first answer. Must not run inside a
    transaction. Raises Django's OperationalError or InterfaceError when it cannot be done now.
    """
    asked: dict[str, Any] = {
        "reservation": intent.reservation_id,
        "item": intent.item,
        "shard": intent.shard,
        "epoch": intent.epoch,
        "shopper": intent.shopper,
        "qty": intent.qty,
        "reason": str(RejectionReason.DISCARDED),
        "now": now,
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_LIMITS)
        cursor.execute(_LOCK_POOL, asked)
        cursor.execute(_LOCK_ALLOCATION, asked)
        cursor.execute(_REJECT, asked)
        fresh = cursor.rowcount == 1
        if fresh:
            give_back(cursor, intent)
        cursor.execute(_DECIDED, asked)
        (row,) = cursor.fetchall()
    return Landed._make((*row, fresh, False))
