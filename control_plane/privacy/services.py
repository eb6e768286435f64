"""Forgetting a shopper: rows stay, for the books; who he was does not.

Sluice knows a shopper by the id his merchant's sessions carry and by nothing else: no name, no
address of a home, no card. That id is replaced by a random one, the same in all rows of an item, so
that limits and books still add up and nobody can tell whom it stands for.
"""

import logging
import secrets
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from control_plane.campaigns.models import Item
from control_plane.dead_letters.models import OPEN_STATES, DeadLetter
from control_plane.merchants.models import SHOPPER_PATTERN, Merchant
from control_plane.orders.models import DatabaseIntent, HoldRelease, Order, Rejection
from control_plane.risk.models import Ban, RiskRule
from control_plane.webhooks.models import Delivery, DeliveryState

PSEUDONYM = "erased:"

log = logging.getLogger(__name__)


class StillNeeded(Exception):
    """Something under way goes by the shopper's id; the text says what. Nothing was changed."""


@dataclass(frozen=True)
class Forgotten:
    """How many rows lost the id, by what they are."""

    orders: int
    rejections: int
    holds: int
    dead_letters: int
    deliveries: int
    bans: int


def forget_shopper(merchant: Merchant, shopper: str, reason: str) -> Forgotten:
    """Take a shopper's id out of everything kept; all of it or nothing. May be repeated.

    Raises StillNeeded while one of his campaigns is not settled, a webhook or dead letter of his
    waits, a ban on him is in force, or a risk rule names him; ValueError for what is no shopper.
    """
    if not SHOPPER_PATTERN.fullmatch(shopper) or shopper.startswith(PSEUDONYM):
        raise ValueError(f"{shopper!r} is no shopper")
    if not reason.strip():
        raise ValueError("the reason is empty")
    with transaction.atomic():
        items = Item.objects.filter(campaign__merchant=merchant)
        _nothing_under_way(merchant, items.values_list("pk", flat=True), shopper)
        counts = [_forget_in(item, shopper) for item in items.values_list("pk", flat=True)]
        bans = Ban.objects.filter(kind="shopper", value=shopper).update(
            value=PSEUDONYM + secrets.token_hex(12)
        )
    orders, rejections, holds, letters, deliveries = (
        (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0, 0, 0)
    )
    total = Forgotten(orders, rejections, holds, letters, deliveries, bans)
    # Without the id: the log is kept, too.
    log.warning("shopper forgotten: %s", reason.strip(), extra={"merchant": merchant.slug})
    return total


def _forget_in(item: int, shopper: str) -> tuple[int, int, int, int, int]:
    stands_for = PSEUDONYM + secrets.token_hex(12)
    of_item = Q(item_id=item, shopper=shopper)
    reservations = {
        *Order.objects.filter(of_item).values_list("reservation_id", flat=True),
        *Rejection.objects.filter(of_item).values_list("pk", flat=True),
    }
    # What the merchant was told has the id in its text, and is kept for 30 days only.
    deliveries, _ = Delivery.objects.filter(subject__in=reservations).delete()
    letters = DeadLetter.objects.filter(item_number=item, shopper=shopper)
    return (
        Order.objects.filter(of_item).update(shopper=stands_for),
        Rejection.objects.filter(of_item).update(shopper=stands_for),
        HoldRelease.objects.filter(of_item).update(shopper=stands_for),
        letters.update(shopper=stands_for, payload=b""),
        deliveries,
    )


def _nothing_under_way(merchant: Merchant, items: object, shopper: str) -> None:
    """Limits, re-arms and redeliveries go by the id: taken away too early, he could buy again."""
    his = Order.objects.filter(item__campaign__merchant=merchant, shopper=shopper)
    unsettled = set(
        his.filter(item__campaign__settled_at=None).values_list("item__campaign__slug", flat=True)
    )
    if unsettled:
        raise StillNeeded(f"not settled: {', '.join(sorted(unsettled))}")
    waiting = (
        (
            "a reservation in the database is not decided",
            DatabaseIntent.objects,
            Q(item_id__in=items),
        ),
        (
            "a dead letter waits",
            DeadLetter.objects,
            Q(item_number__in=items, state__in=OPEN_STATES),
        ),
        ("his hold is not released", HoldRelease.objects, Q(item_id__in=items, released_at=None)),
    )
    for what, rows, which in waiting:
        if rows.filter(which, shopper=shopper).exists():
            raise StillNeeded(what)
    reservations = his.values("reservation_id")
    if Delivery.objects.filter(subject__in=reservations, state=DeliveryState.PENDING).exists():
        raise StillNeeded("a webhook of his waits")
    if Ban.objects.filter(kind="shopper", value=shopper, ended_at=None).exists():
        raise StillNeeded("a ban on him is in force")
    if RiskRule.objects.filter(kind="shopper", value=shopper).exists():
        raise StillNeeded("a risk rule names him")
