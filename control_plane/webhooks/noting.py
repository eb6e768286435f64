"""What happened to orders becomes deliveries: one for each endpoint that asked for it.

Called with what stands in topic `order-events`, in the topic's order, and perhaps more than once.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import connection

from control_plane.orders.models import Order
from control_plane.webhooks.models import WebhookType

# Deliveries are kept for so long; an older event is not taken in a second time when the topic is
# read anew.
KEPT = timedelta(days=30)
# `events` of the topic, as merchants hear of them. What is not here is none of their business.
TYPES = {
    "order.created": WebhookType.CONFIRMED,
    "order.paid": WebhookType.PAID,
    "order.expired": WebhookType.EXPIRED,
    "order.cancelled": WebhookType.CANCELLED,
    "reservation.rejected": WebhookType.REJECTED,
}
# What was switched off for failing hears the rest once it is on again; what people switched off
# does not want it.
_LISTENERS = """
SELECT item.id, campaign.slug, endpoint.id, endpoint.events, endpoint.created_at
  FROM campaigns_item item
  JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
  JOIN webhooks_endpoint endpoint ON endpoint.merchant_id = campaign.merchant_id
 WHERE item.id = ANY(%s) AND (endpoint.active OR endpoint.off_reason IN ('failing', 'gone'))
 ORDER BY item.id, endpoint.id
"""
# Numbered in the order of the batch: the ids are the order in which they go out. Two consumers
# cannot have one shopper's events at once, since those stand in one partition; one that is given to
# its consumer again after a dead letter comes late anyway.
_NOTE = """
INSERT INTO webhooks_delivery (endpoint_id, event_id, type, subject, order_number, body,
                               traceparent, state, attempts_made, attempts_before, next_try_at,
                               created_at)
SELECT endpoint_id, event_id, type, subject, order_number, body, traceparent,
       'pending', 0, 0, %(now)s, %(now)s
  FROM unnest(%(endpoints)s::bigint[], %(ids)s::text[], %(types)s::text[], %(subjects)s::text[],
              %(numbers)s::text[], %(bodies)s::text[], %(traceparents)s::text[]) WITH ORDINALITY
       AS one (endpoint_id, event_id, type, subject, order_number, body, traceparent, place)
 ORDER BY place
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""


class Told(NamedTuple):
    """An event of the topic. `order_id` is None and `reason` set for a rejection."""

    type: WebhookType
    reservation_id: str
    item: int
    shopper: str
    qty: int
    at: datetime
    order_id: int | None = None
    sku: str = ""
    amount_minor: int = 0
    currency: str = ""
    reason: str = ""
    # Of a purchase that is followed (config/tracing.py).
    traceparent: str = ""

    @property
    def number(self) -> str:
        """What the shopper sees of the order, as `Order.number`; empty for a rejection."""
        return "" if self.order_id is None else f"S{self.order_id:010d}"


# Of _NOTE, in its order.
_Row = tuple[int, str, str, str, str, str, str]


class _Listener(NamedTuple):
    campaign: str
    endpoint_id: int
    events: list[str]
    since: datetime


def note(told: Sequence[Told], now: datetime) -> int:
    """Write what endpoints want to hear; returns how many are new. A repeat adds none.

    Commits, where the caller has no transaction.

    An order's end may stand in the topic before its beginning (two processes write there). So
    whatever is told of an order has its `order.confirmed` written first. Raises Django's
    OperationalError or InterfaceError when the database cannot do it now.
    """
    listeners = _listeners({one.item for one in told})
    if not listeners:
        return 0
    told = [one for one in told if one.item in listeners and one.at > now - KEPT]
    orders = _orders(one.order_id for one in told if one.order_id is not None)
    rows: list[_Row] = []
    for one in told:
        events = [one]
        order = orders.get(one.order_id or 0)
        if order is not None and one.type != WebhookType.CONFIRMED:
            events.insert(0, one._replace(type=WebhookType.CONFIRMED, at=order["created_at"]))
        for event in events:
            rows += _rows(event, listeners[one.item], order)
    if not rows:
        return 0
    columns = zip(*rows, strict=True)
    names = ("endpoints", "ids", "types", "subjects", "numbers", "bodies", "traceparents")
    given = {name: list(column) for name, column in zip(names, columns, strict=True)}
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, given | {"now": now})
        return int(cursor.rowcount)


def _listeners(items: Iterable[int]) -> dict[int, list[_Listener]]:
    found: dict[int, list[_Listener]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_LISTENERS, [list(items)])
        for item, *rest in cursor.fetchall():
            found.setdefault(item, []).append(_Listener(*rest))
    return found


def _orders(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What the topic does not say of orders."""
    known = Order.objects.filter(pk__in=set(ids))
    fields = ("pk", "created_at", "pay_by", "replaces_id")
    return {order["pk"]: order for order in known.values(*fields)}


def _rows(event: Told, listeners: Iterable[_Listener], order: dict[str, Any] | None) -> list[_Row]:
    """An endpoint hears of what happened since it was made."""
    wanting = [one for one in listeners if event.type in one.events and event.at >= one.since]
    if not wanting:
        return []
    event_id = _event_id(event)
    body = written(event_id, event.type, event.at, _data(event, wanting[0].campaign, order))
    return [
        (
            one.endpoint_id,
            event_id,
            event.type,
            event.reservation_id,
            event.number,
            body,
            event.traceparent,
        )
        for one in wanting
    ]


def _event_id(event: Told) -> str:
    """The same whenever the event is read; with each merchant it is of one reservation."""
    name = sha256(f"{event.type} {event.reservation_id}".encode()).hexdigest()
    return f"evt_{name[:32]}"


def written(event_id: str, kind: str, at: datetime, data: dict[str, Any]) -> str:
    """The body: what stays the same at every attempt."""
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content = {"id": event_id, "type": kind, "timestamp": moment, "data": data}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _data(event: Told, campaign: str, order: dict[str, Any] | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "campaign": campaign,
        "item": event.item,
        "reservation_id": event.reservation_id,
        "shopper": event.shopper,
        "qty": event.qty,
    }
    if event.order_id is None:
        return about | {"reason": event.reason}
    about |= {
        "sku": event.sku,
        "order_number": event.number,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
    }
    if order is not None:
        pay_by = order["pay_by"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        replaces = order["replaces_id"]
        about |= {"pay_by": pay_by, "replaces": f"S{replaces:010d}" if replaces else None}
    return about
