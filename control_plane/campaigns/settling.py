"""The end of the books: once nothing of a campaign moves any more, its totals are written."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum

from control_plane.campaigns.models import Campaign, CampaignState, Item, Settlement
from control_plane.config import history
from control_plane.dead_letters.models import OPEN_STATES, DeadLetter
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, AllocationState, ChangeState, StockChange
from control_plane.orders.models import Order, OrderState, Rejection

# One whose books do not balance is looked at again after this, so that it costs the others nothing.
PAUSE = timedelta(minutes=10)

log = logging.getLogger(__name__)


def settle_due(now: datetime, limit: int = 20) -> int:
    """Settle up to `limit` ended campaigns of which nothing moves any more; returns how many.

    Every epoch is closed, so that all its reservations are decided and what was left is in the
    pool; every order is paid or has ended; no withdrawal and no dead letter waits. Idempotent. One
    whose books do not balance, or that fails otherwise, is left for people to look at and tried
    again after PAUSE: however many of them there are, the others are settled.
    """
    rested = Q(settle_after=None) | Q(settle_after__lte=now)
    ready = _still().filter(rested).order_by("ended_at", "pk").values_list("pk", flat=True)[:limit]
    settled = 0
    for campaign_id in ready:
        try:
            settled += _settle(campaign_id, now)
        except (DatabaseError, inventory.InventoryError):
            log.exception("not settled", extra={"kind": "not_settled", "campaign": campaign_id})
            _rest(campaign_id, now)
    return settled


def _rest(campaign_id: int, now: datetime) -> None:
    Campaign.objects.filter(pk=campaign_id, settled_at=None).update(settle_after=now + PAUSE)


def _still() -> Any:
    """Ended campaigns of which nothing moves."""
    of_campaign = {"item__campaign": OuterRef("pk")}
    of_items = Item.objects.filter(campaign=OuterRef(OuterRef("pk"))).values("pk")
    moving = (
        # Somebody was told "yours", and an attempt may still make it an order.
        DeadLetter.objects.filter(state__in=OPEN_STATES, item_number__in=of_items),
        Allocation.objects.filter(**of_campaign).exclude(state=AllocationState.CLOSED),
        Order.objects.filter(**of_campaign, state=OrderState.UNPAID),
        StockChange.objects.filter(**of_campaign, state=ChangeState.WAITING),
    )
    ended = Campaign.objects.filter(state=CampaignState.ENDED, settled_at=None)
    return ended.filter(*(~Exists(rows) for rows in moving))


def _settle(campaign_id: int, now: datetime) -> bool:
    """All its items, or none; False when it moves again, or somebody else has settled it."""
    with transaction.atomic():
        items = list(Item.objects.filter(campaign=campaign_id).order_by("pk"))
        # From here on nobody makes or ends an order of it, or moves a unit.
        inventory.lock_pools(item.pk for item in items)
        still = _still().filter(pk=campaign_id)
        if not still.exists():
            return False
        # A draft can end no other way than by its approval: every item has a pool.
        books = [inventory.conservation(item.pk) for item in items]
        for one in books:
            if one.drift:
                log.error("not settled: %s", one, extra={"kind": "drift", "item": one.item_id})
                _rest(campaign_id, now)
                return False
        if not Campaign.objects.filter(pk=campaign_id, settled_at=None).update(settled_at=now):
            return False
        Settlement.objects.bulk_create(
            _totals(item, one, now) for item, one in zip(items, books, strict=True)
        )
        history.note(Campaign.objects.get(pk=campaign_id))
    return True


def _totals(item: Item, books: inventory.Conservation, now: datetime) -> Settlement:
    orders = Order.objects.filter(item=item)
    counts = orders.aggregate(
        amount=Sum("amount_minor", filter=Q(state=OrderState.PAID), default=0),
        paid=Count("pk", filter=Q(state=OrderState.PAID)),
        expired=Count("pk", filter=Q(state=OrderState.EXPIRED)),
        cancelled=Count("pk", filter=Q(state=OrderState.CANCELLED)),
    )
    return Settlement(
        item=item,
        units=books.total,
        sold=books.live_orders,
        left=books.unallocated,
        amount_minor=counts["amount"],
        currency=item.currency,
        orders_paid=counts["paid"],
        orders_expired=counts["expired"],
        orders_cancelled=counts["cancelled"],
        rejections=Rejection.objects.filter(item_id=item.pk).count(),
        settled_at=now,
    )
