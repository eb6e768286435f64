"""The end of an order: its units go back to the pool, once, and its shard hears of it later."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from control_plane.campaigns.models import CampaignState, Item
from control_plane.orders import projection
from control_plane.orders.landed import Landed
from control_plane.orders.models import HoldRelease, Order, OrderState

log = logging.getLogger(__name__)

NO_GRACE = timedelta(0)
ENDS = (OrderState.EXPIRED, OrderState.CANCELLED)

# The pool first, as everywhere: whoever holds it is alone with the item's units.
_LOCK_POOL = "SELECT FROM inventory_pool WHERE item_id = %s FOR NO KEY UPDATE"
# `unpaid` decides, under the row's lock: what was paid or has ended is not returned again. An order
# that somebody else has locked, to record its payment, is left for the next time. No shard has to
# hear of it once the campaign is over, or where who did not pay has had his turn.
_END = """
WITH unpaid AS MATERIALIZED (
    SELECT id FROM orders_order
     WHERE id = ANY(%(orders)s) AND item_id = %(item)s AND state = 'unpaid'
       AND (%(to_state)s <> 'expired' OR pay_by <= %(due)s)
     ORDER BY id
       FOR NO KEY UPDATE SKIP LOCKED
),
ended AS (
    UPDATE orders_order SET state = %(to_state)s
     WHERE id IN (SELECT id FROM unpaid)
    RETURNING id, reservation_id, item_id, shard, shopper, qty, amount_minor, currency, created_at,
              pay_by
),
returned AS (
    INSERT INTO orders_ledgerentry (order_id, kind, item_id, qty, created_at)
    SELECT id, 'return', item_id, qty, %(now)s FROM ended
),
pooled AS (
    UPDATE inventory_pool
       SET unallocated = unallocated + coalesce((SELECT sum(qty) FROM ended), 0)
     WHERE item_id = %(item)s AND EXISTS (SELECT FROM ended)
),
to_release AS (
    INSERT INTO orders_holdrelease (order_id, item_id, shard, shopper, reservation_id, created_at,
                                    epoch)
    SELECT ended.id, ended.item_id, ended.shard, ended.shopper, ended.reservation_id, %(now)s,
           (SELECT armed.epoch FROM inventory_allocation armed
             WHERE armed.item_id = ended.item_id AND armed.shard = ended.shard
               AND armed.state = 'selling' AND armed.script_sha <> '')
      FROM ended
      JOIN campaigns_item item ON item.id = ended.item_id
      JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
     WHERE campaign.state <> 'ended'
       AND (%(to_state)s <> 'expired' OR campaign.buys_again)
),
told AS (
    INSERT INTO orders_orderevent (order_id, type, created_at)
    SELECT id, 'order.' || %(to_state)s, %(now)s FROM ended
)
SELECT ended.reservation_id, ended.item_id, ended.shopper, ended.qty, ended.id, %(to_state)s, '',
       item.sku, ended.amount_minor, ended.currency, ended.created_at, ended.pay_by
  FROM ended JOIN campaigns_item item ON item.id = ended.item_id
"""


def overdue(before: datetime) -> int:
    """Unpaid orders whose time to pay was over by then and that nobody has ended. Reads only."""
    return Order.objects.filter(state=OrderState.UNPAID, pay_by__lt=before).count()


def end_order(order_id: int, to_state: str, now: datetime) -> bool:
    """unpaid → expired, when its time is over, or → cancelled; False for any other order.

    Its units go to the pool in the same transaction; the shopper's status follows the commit. A
    repeat returns False and moves nothing.
    """
    order = Order.objects.filter(pk=order_id).values_list("item_id", flat=True).first()
    return order is not None and _end(order, [order_id], to_state, now) == 1


def expire_due(
    now: datetime,
    limit: int = 500,
    failing: set[int] | None = None,
    grace: timedelta = NO_GRACE,
) -> int:
    """End up to `limit` unpaid orders whose time to pay is over; returns how many. Idempotent.

    Their time and `grace`: until then money that is on its way pays the order it was meant for.

    A transaction for each item, so that no sale waits for another one's expiry. An item whose
    orders cannot be ended is logged and added to `failing`, whose orders are left out: the next
    call comes to those behind them.
    """
    failing = set() if failing is None else failing
    due = Order.objects.filter(state=OrderState.UNPAID, pay_by__lte=now - grace)
    due = due.exclude(item_id__in=failing).order_by("pay_by", "pk")
    of_item: dict[int, list[int]] = {}
    for item_id, order_id in due.values_list("item_id", "pk")[:limit]:
        of_item.setdefault(item_id, []).append(order_id)
    ended = 0
    for item_id in sorted(of_item):
        try:
            ended += _end(item_id, of_item[item_id], OrderState.EXPIRED, now, grace)
        except DatabaseError:
            failing.add(item_id)
            log.exception("orders not expired", extra={"kind": "not_expired", "item": item_id})
    return ended


def pending_releases(limit: int) -> list[HoldRelease]:
    """Ended orders and rejections their shard may still count, of items that sell.

    The oldest of each shard first, then the second of each: what one shard cannot be told yet must
    not keep the others from hearing. `mark_released` takes their `pk`.
    """
    on_sale = Item.objects.exclude(campaign__state=CampaignState.ENDED).values("pk")
    turn = Window(
        RowNumber(), partition_by=["item_id", "shard"], order_by=[F("created_at"), F("pk")]
    )
    waiting = HoldRelease.objects.filter(released_at=None, item_id__in=on_sale).annotate(turn=turn)
    return list(waiting.order_by("turn", "created_at", "pk")[:limit])


def begin_releases(reservation_ids: Iterable[str]) -> set[str]:
    """Before their shards are told; those that may be told. Idempotent.

    The others were taken back meanwhile: late money has bought the order anew.
    """
    waiting = HoldRelease.objects.filter(pk__in=list(reservation_ids), released_at=None)
    waiting.filter(told_at=None).update(told_at=timezone.now())
    return set(waiting.filter(told_at__isnull=False).values_list("pk", flat=True))


def mark_released(reservation_ids: Iterable[str]) -> int:
    """Their shards have heard of it; returns how many had not before. Idempotent."""
    waiting = HoldRelease.objects.filter(pk__in=list(reservation_ids), released_at=None)
    return waiting.update(released_at=timezone.now())


def _end(
    item_id: int,
    order_ids: Sequence[int],
    to_state: str,
    now: datetime,
    grace: timedelta = NO_GRACE,
) -> int:
    if to_state not in ENDS:
        raise ValueError(f"an order does not end as {to_state}")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK_POOL, [item_id])
        cursor.execute(
            _END,
            {
                "orders": list(order_ids),
                "item": item_id,
                "to_state": str(to_state),
                "now": now,
                "due": now - grace,
            },
        )
        ended = [Landed._make((*row, False, False)) for row in cursor.fetchall()]
        if ended:
            projection.write_after_commit(ended)
    return len(ended)
