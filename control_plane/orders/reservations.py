"""What became of a reservation: PostgreSQL's word first, then what is on its way to it."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.orders import projection
from control_plane.orders.models import DatabaseIntent, Order, Rejection

# <item>-<shard>-<hash>, as the gateway makes it.
ID_PATTERN = r"[0-9]{1,18}-[0-9]{1,3}-[A-Za-z0-9_-]{22}"
_ITEM = re.compile(r"([0-9]{1,18})-")


class State(models.TextChoices):
    """As the shopper reads it, and two that only exist here."""

    CONFIRMED = "confirmed", _("confirmed")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")
    REJECTED = "rejected", _("rejected")
    # Taken by the database, not landed yet.
    RESERVED = "reserved", _("reserved")
    # Of this item, but nothing is known here: on its way from Redis, or never made.
    UNDECIDED = "undecided", _("undecided")


@dataclass(frozen=True)
class Reservation:
    """See `ReservationSerializer`."""

    reservation_id: str
    item: int
    state: str
    shopper: str | None = None
    qty: int | None = None
    order_number: str | None = None
    order_state: str | None = None
    reason: str | None = None
    pay_by: datetime | None = None
    shown_state: str | None = None
    shown_known: bool = True


def item_of(reservation_id: str) -> int:
    """Which item it is of: the id says it."""
    match = _ITEM.match(reservation_id)
    assert match is not None, reservation_id
    return int(match[1])


def find(reservation_id: str) -> Reservation:
    """Never raises for what is not known: it is UNDECIDED. Four look-ups by key at most."""
    shown, is_known = _shown(reservation_id)
    known = _decided(reservation_id) or _on_its_way(reservation_id) or {"state": State.UNDECIDED}
    return Reservation(
        reservation_id=reservation_id,
        item=item_of(reservation_id),
        shown_state=shown,
        shown_known=is_known,
        **known,
    )


def _decided(reservation_id: str) -> dict[str, Any] | None:
    order = Order.objects.filter(reservation_id=reservation_id).first()
    if order is not None:
        return {
            "state": projection.STATES[order.state],
            "shopper": order.shopper,
            "qty": order.qty,
            "order_number": order.number,
            "order_state": order.state,
            "pay_by": order.pay_by,
        }
    rejection = Rejection.objects.filter(pk=reservation_id).first()
    if rejection is None:
        return None
    return {
        "state": State.REJECTED,
        "shopper": rejection.shopper,
        "qty": rejection.qty,
        "reason": rejection.reason,
    }


def _on_its_way(reservation_id: str) -> dict[str, Any] | None:
    intent = DatabaseIntent.objects.filter(reservation_id=reservation_id).first()
    if intent is None:
        return None
    return {"state": State.RESERVED, "shopper": intent.shopper, "qty": intent.qty}


def _shown(reservation_id: str) -> tuple[str | None, bool]:
    """What the gateway shows, and whether the work Redis could be asked."""
    try:
        stored = projection.read(reservation_id)
    except redis.RedisError:
        return None, False
    return (None if stored is None else str(json.loads(stored)["state"])), True
