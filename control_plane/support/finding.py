"""From what a person types to reservations: a shopper, a reservation, an order or a trace."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item
from control_plane.dead_letters.models import DeadLetter
from control_plane.orders.models import DatabaseIntent, FollowedReservation, Order, Rejection

# The newest; a shopper has a handful, a robot may have many.
FOUND_MAX = 50
TEXT_MAX = 100

_ORDER = re.compile(r"[Ss](\d{10,19})")
_RESERVATION = re.compile(r"\d{1,19}-\d{1,5}-[A-Za-z0-9_-]{22}")
_TRACE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Purchase:
    """One of those that were found."""

    reservation_id: str
    item: str
    shopper: str
    state: str
    at: datetime


def find(text: str) -> list[Purchase]:
    """What fits, the newest first."""
    text = text.strip()[:TEXT_MAX]
    if not text:
        return []
    if match := _ORDER.fullmatch(text):
        return _newest(_orders(pk=int(match[1])))
    if _RESERVATION.fullmatch(text):
        return _newest(_of_reservation([text]))
    if _TRACE.fullmatch(text):
        traced = FollowedReservation.objects.filter(trace_id=text)
        return _newest(_of_reservation(traced.values_list("pk", flat=True)[:FOUND_MAX]))
    return _newest(_of_shopper(text))


def _newest(found: Iterator[Purchase]) -> list[Purchase]:
    """Each once: what an order tells of it is said first."""
    once: dict[str, Purchase] = {}
    for one in found:
        once.setdefault(one.reservation_id, one)
    return sorted(once.values(), key=lambda one: one.at, reverse=True)[:FOUND_MAX]


def _of_reservation(names: object) -> Iterator[Purchase]:
    wanted = list(names)  # type: ignore[call-overload]
    yield from _orders(reservation_id__in=wanted)
    yield from _rejections(reservation_id__in=wanted)
    yield from _letters(reservation_id__in=wanted)
    yield from _intents(reservation_id__in=wanted)


def _of_shopper(shopper: str) -> Iterator[Purchase]:
    # Orders are indexed by item and shopper; a shopper alone would read all of them.
    items = list(Item.objects.values_list("pk", flat=True))
    yield from _orders(item_id__in=items, shopper=shopper)
    yield from _rejections(shopper=shopper)
    yield from _letters(shopper=shopper)
    yield from _intents(item_id__in=items, shopper=shopper)


def _orders(**wanted: object) -> Iterator[Purchase]:
    known = Order.objects.filter(**wanted).select_related("item").order_by("-pk")
    for order in known[:FOUND_MAX]:
        what = f"{order.number} · {order.get_state_display()}"
        yield Purchase(
            order.reservation_id, order.item.title, order.shopper, what, order.reserved_at
        )


def _rejections(**wanted: object) -> Iterator[Purchase]:
    for one in Rejection.objects.filter(**wanted).order_by("-created_at")[:FOUND_MAX]:
        what = f"{_('rejected')}: {one.get_reason_display()}"
        yield Purchase(one.pk, str(one.item_id), one.shopper, what, one.created_at)


def _letters(**wanted: object) -> Iterator[Purchase]:
    known = DeadLetter.objects.filter(**wanted).exclude(reservation_id="").order_by("-pk")
    for one in known[:FOUND_MAX]:
        what = f"{_('dead letter')}: {one.get_state_display()}"
        yield Purchase(
            one.reservation_id, str(one.item_number or ""), one.shopper, what, one.created_at
        )


def _intents(**wanted: object) -> Iterator[Purchase]:
    for one in DatabaseIntent.objects.filter(**wanted).order_by("-pk")[:FOUND_MAX]:
        yield Purchase(
            one.reservation_id, str(one.item_id), one.shopper, str(_("reserved")), one.created_at
        )
