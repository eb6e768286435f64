"""Money for an order: unpaid → paid, and what becomes of money for an order that has expired."""

import base64
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from django.db import connection, transaction
from django.db.models import F

from control_plane.campaigns.models import Campaign
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, AllocationState, Pool, Source
from control_plane.orders import projection
from control_plane.orders.database import units_of
from control_plane.orders.landed import Landed
from control_plane.orders.models import (
    EventType,
    HoldRelease,
    LedgerEntry,
    LedgerKind,
    Order,
    OrderEvent,
    OrderState,
)

# No epoch of a shard has this number: the unit came out of the pool.
NO_EPOCH = 0
# A reservation id ends in 22 characters of base64url, as the gateway makes them.
_NAME_BYTES = 16
# `unpaid` decides, under the row's lock: expiry that was there first has returned the units.
_PAY = """
WITH paid AS (
    UPDATE orders_order SET state = 'paid'
     WHERE id = %(order)s AND state = 'unpaid'
    RETURNING id, reservation_id, item_id, shopper, qty, amount_minor, currency, created_at, pay_by
),
told AS (
    INSERT INTO orders_orderevent (order_id, type, created_at)
    SELECT id, 'order.paid', %(now)s FROM paid
)
SELECT paid.reservation_id, paid.item_id, paid.shopper, paid.qty, paid.id, 'paid', '',
       item.sku, paid.amount_minor, paid.currency, paid.created_at, paid.pay_by
  FROM paid JOIN campaigns_item item ON item.id = paid.item_id
"""


class Refused(StrEnum):
    """Why money that came late buys nothing, so that it has to be given back."""

    CANCELLED = "cancelled"
    ALREADY_PAID = "already_paid"
    NO_UNIT = "no_unit"
    OVER_LIMIT = "over_limit"
    MAY_HOLD = "may_hold"
    SETTLED = "settled"


@dataclass(eq=False)  # not frozen: a context it leaves sets its traceback
class NotOrderedAgain(Exception):
    """Nothing was changed."""

    reason: Refused


def pay_order(order_id: int, now: datetime) -> bool:
    """unpaid → paid; False for any other order, which stays as it is.

    Whether its time is over is not asked: until it has expired its units are its own. The
    shopper's status follows the commit. A repeat returns False.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PAY, {"order": order_id, "now": now})
        paid = [Landed._make((*row, False, False)) for row in cursor.fetchall()]
        if paid:
            projection.write_after_commit(paid)
    return bool(paid)


def order_again(order_id: int, now: datetime) -> Order:
    """A paid order in place of one that has expired, with units of the pool; all or nothing.

    The expired one keeps its CONFIRM and its RETURN, this one has a CONFIRM of its own: at most one
    of each per order holds, and I1 counts it as any other. Withdrawals that wait for units come
    first. Must run inside a transaction, after a `pay_order` that returned False. Raises
    NotOrderedAgain; a repeat does so with ALREADY_PAID.
    """
    item_id = Order.objects.values_list("item_id", flat=True).get(pk=order_id)
    # From here on nobody else ends an order of the item or takes a unit of it.
    pool = inventory.lock_pool(item_id)
    old = Order.objects.select_related("item__campaign").get(pk=order_id)
    campaign = Campaign.objects.get(pk=old.item.campaign_id)
    if old.state == OrderState.PAID or Order.objects.filter(replaces=old).exists():
        raise NotOrderedAgain(Refused.ALREADY_PAID)
    if old.state != OrderState.EXPIRED:
        raise NotOrderedAgain(Refused.CANCELLED)
    if campaign.settled_at is not None:
        raise NotOrderedAgain(Refused.SETTLED)
    counts = units_of(item_id, {old.shopper}).get(old.shopper, 0)
    # Where nobody has another turn the expired one counts itself, and this one takes its place.
    counts -= 0 if campaign.buys_again else old.qty
    if counts + old.qty > old.item.limit_per_shopper:
        raise NotOrderedAgain(Refused.OVER_LIMIT)
    if pool.unallocated - inventory.waiting_units(item_id) < old.qty:
        raise NotOrderedAgain(Refused.NO_UNIT)
    # Last, because a release that is taken back must not be followed by a refusal.
    if _may_hold_another(old, campaign, now):
        raise NotOrderedAgain(Refused.MAY_HOLD)
    return _make(old, now)


def _make(old: Order, now: datetime) -> Order:
    """Under the pool's lock, once everything allows it."""
    Pool.objects.filter(pk=old.item_id).update(unallocated=F("unallocated") - old.qty)
    new = Order.objects.create(
        reservation_id=_reservation_id(old),
        item_id=old.item_id,
        shard=old.shard,
        epoch=NO_EPOCH,
        shopper=old.shopper,
        qty=old.qty,
        amount_minor=old.amount_minor,
        currency=old.currency,
        state=OrderState.PAID,
        reserved_at=old.reserved_at,
        created_at=now,
        pay_by=old.pay_by,
        replaces=old,
    )
    LedgerEntry.objects.create(
        order_id=new.pk, kind=LedgerKind.CONFIRM, item_id=new.item_id, qty=new.qty, created_at=now
    )
    for event in (EventType.CREATED, EventType.PAID):
        OrderEvent.objects.create(order_id=new.pk, type=event, created_at=now)
    outcome = Landed(
        old.reservation_id,
        new.item_id,
        new.shopper,
        new.qty,
        new.pk,
        OrderState.PAID,
        "",
        old.item.sku,
        new.amount_minor,
        new.currency,
        now,
        new.pay_by,
        True,
        False,
    )
    # The shopper asks for the reservation he knows.
    projection.write_after_commit([outcome, outcome._replace(reservation_id=new.reservation_id)])
    return new


def _may_hold_another(old: Order, campaign: Campaign, now: datetime) -> bool:
    """Whether a shard may have sold its shopper another unit that is not landed yet.

    PostgreSQL cannot see such a reservation: with late money's order it would be over the limit,
    and somebody who was told RESERVED would be refused. Not while his shard counts the expired one
    in the new one's place: then the release of its hold is taken back here, or it was told before
    and is not certain any more. Changes nothing unless it returns False; under the pool's lock.
    """
    if not campaign.buys_again:
        return False  # its hold was never released
    unclosed = Allocation.objects.filter(item_id=old.item_id, shard=old.shard).exclude(
        state=AllocationState.CLOSED
    )
    if not unclosed.exclude(source=Source.DATABASE).exists():
        return False  # everything sold is landed, or stands in PostgreSQL
    releases = HoldRelease.objects.filter(order=old)
    if not releases.exists():
        return False  # it expired after the end: nobody has bought since
    # A later epoch was rebuilt without it.
    selling = unclosed.filter(state=AllocationState.SELLING).values("epoch")
    kept = releases.filter(told_at=None, released_at=None, epoch__in=selling)
    return not kept.update(released_at=now)


def _reservation_id(old: Order) -> str:
    name = sha256(f"again {old.reservation_id}".encode()).digest()[:_NAME_BYTES]
    return f"{old.item_id}-{old.shard}-{base64.urlsafe_b64encode(name).decode().rstrip('=')}"
