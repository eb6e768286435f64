"""The messages of topic `order-events`, written and read."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from control_plane.orders.services import Answer, Landed, Unsent
from control_plane.warehouse.services import DEDUCT, RESTORE, Moved, Movement
from control_plane.webhooks.services import TYPES, Told
from workers.runtime.clock import from_ms, to_ms
from workers.runtime.verdicts import InvalidMessage

VERSION = 1
ORDER_CREATED = "order.created"
RESERVATION_REJECTED = "reservation.rejected"
# What the warehouse makes of an order's event, and what it answers.
MOVEMENTS = {ORDER_CREATED: DEDUCT, "order.expired": RESTORE, "order.cancelled": RESTORE}
ANSWERS = {DEDUCT: "stock.deducted", RESTORE: "stock.restored"}
_ANSWERED = {"stock.deducted": "deducted", "stock.restored": "restored"}
assert _ANSWERED.keys() == set(ANSWERS.values())
# Twice the longest event we write.
VALUE_BYTES_MAX = 4096
ID_MAX = 2**63 - 1
QTY_MAX = 2**31 - 1
# The year 2286; what is above is not in milliseconds.
MS_MAX = 10**13 - 1
SKU_CHARACTERS_MAX = 64
SHOPPER_CHARACTERS_MAX = 64
RESERVATION_CHARACTERS_MAX = 64
CURRENCY_CHARACTERS = 3
REASON_CHARACTERS_MAX = 16
AMOUNT_MAX = 2**63 - 1

# Strings that may hold anything are encoded once each; there are as many as items and currencies.
_text_of = lru_cache(maxsize=10_000)(json.JSONEncoder(ensure_ascii=False).encode)
# A batch has one time.
_ms_of = lru_cache(maxsize=16)(to_ms)


def decided(landed: Landed) -> bytes:
    """order.created or reservation.rejected; the same bytes for every repeat of the decision.

    Written out because a JSON encoder takes six times as long, twice for each order. Reservation,
    shopper and reason are of characters that JSON leaves as they are.
    """
    if landed.order_id is None:
        at_ms = to_ms(landed.created_at)
        return (
            f'{{"v":{VERSION},"type":"{RESERVATION_REJECTED}",'
            f'"reservation_id":"{landed.reservation_id}","item":{landed.item},'
            f'"shopper":"{landed.shopper}","qty":{landed.qty},"reason":"{landed.reason}",'
            f'"at_ms":{at_ms}}}'
        ).encode()
    return _about_order(ORDER_CREATED, landed, landed.created_at)


def changed(event: Unsent) -> bytes:
    """An event of the outbox; the same bytes for every repeat."""
    if event.order.order_id is None:
        return decided(event.order)
    return _about_order(event.type, event.order, event.at)


def _about_order(kind: str, landed: Landed, at: datetime) -> bytes:
    # Unpacked, since a name of a tuple costs more than its place; the number is `Landed.number`.
    reservation_id, item, shopper, qty, order_id, _, _, sku, amount_minor, currency, *_ = landed
    return (
        f'{{"v":{VERSION},"type":"{kind}","order_id":{order_id},'
        f'"number":"S{order_id:010d}","reservation_id":"{reservation_id}",'
        f'"item":{item},"sku":{_text_of(sku)},"shopper":"{shopper}",'
        f'"qty":{qty},"amount_minor":{amount_minor},'
        f'"currency":{_text_of(currency)},"at_ms":{_ms_of(at)}}}'
    ).encode()


def moved(entry: Moved) -> bytes:
    """stock.deducted or stock.restored; the same bytes for every repeat."""
    return (
        f'{{"v":{VERSION},"type":"{ANSWERS[entry.kind]}","order_id":{entry.order_id},'
        f'"sku":{_text_of(entry.sku)},"qty":{entry.qty},"at_ms":{to_ms(entry.created_at)}}}'
    ).encode()


def read_movement(value: bytes | None) -> Movement | None:
    """What an order's event moves in the warehouse; None for events that move nothing there.

    Raises InvalidMessage with the field and the reason.
    """
    event = _event(value)
    kind = MOVEMENTS.get(event["type"])
    if kind is None:
        return None
    return Movement(
        order_id=_integer(event, "order_id", ID_MAX),
        sku=_text(event, "sku", SKU_CHARACTERS_MAX),
        item=_integer(event, "item", ID_MAX),
        qty=_integer(event, "qty", QTY_MAX),
        shopper=_text(event, "shopper", SHOPPER_CHARACTERS_MAX),
        kind=kind,
    )


def read_answer(value: bytes | None) -> Answer | None:
    """What the warehouse answers; None for all else. Raises InvalidMessage as `read_movement`."""
    event = _event(value)
    kind = _ANSWERED.get(event["type"])
    if kind is None:
        return None
    return Answer(
        order_id=_integer(event, "order_id", ID_MAX),
        kind=kind,
        qty=_integer(event, "qty", QTY_MAX),
        at=from_ms(_integer(event, "at_ms", MS_MAX)),
    )


def read_told(value: bytes | None) -> Told | None:
    """What a merchant may hear of; None for all else. Raises InvalidMessage as `read_movement`."""
    event = _event(value)
    kind = TYPES.get(event["type"])
    if kind is None:
        return None
    told = Told(
        type=kind,
        reservation_id=_text(event, "reservation_id", RESERVATION_CHARACTERS_MAX),
        item=_integer(event, "item", ID_MAX),
        shopper=_text(event, "shopper", SHOPPER_CHARACTERS_MAX),
        qty=_integer(event, "qty", QTY_MAX),
        at=from_ms(_integer(event, "at_ms", MS_MAX)),
    )
    if event["type"] == RESERVATION_REJECTED:
        return told._replace(reason=_text(event, "reason", REASON_CHARACTERS_MAX))
    return told._replace(
        order_id=_integer(event, "order_id", ID_MAX),
        sku=_text(event, "sku", SKU_CHARACTERS_MAX),
        amount_minor=_integer(event, "amount_minor", AMOUNT_MAX, least=0),
        currency=_text(event, "currency", CURRENCY_CHARACTERS),
    )


def _event(value: bytes | None) -> dict[str, Any]:
    """The JSON object of our version with a type; raises InvalidMessage."""
    if value is None or len(value) > VALUE_BYTES_MAX:
        raise InvalidMessage("value: missing" if value is None else "value: too long")
    try:
        event = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not JSON: {error}") from None
    if type(event) is not dict:
        raise InvalidMessage("value: not a JSON object")
    if type(event.get("v")) is not int or event["v"] != VERSION:
        raise InvalidMessage("v: unknown version")
    if type(event.get("type")) is not str:
        raise InvalidMessage("type: must be a text")
    return event


def _integer(event: dict[str, Any], name: str, most: int, least: int = 1) -> int:
    value = event.get(name)
    if type(value) is not int or not least <= value <= most:
        raise InvalidMessage(f"{name}: must be an integer from {least} to {most}")
    return value


def _text(event: dict[str, Any], name: str, characters_max: int) -> str:
    """PostgreSQL text holds no NUL and no lone surrogate; JSON can carry both."""
    value = event.get(name)
    if type(value) is not str or not 1 <= len(value) <= characters_max or "\0" in value:
        raise InvalidMessage(f"{name}: must be 1 to {characters_max} characters")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidMessage(f"{name}: has a lone surrogate")
    return value
