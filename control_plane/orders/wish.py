"""Reads the body of `POST /internal/reserve`, strictly.

Its intents become messages of topic `reservations`: what is let through here, the order consumer
must be able to land, or the units it holds would belong to nobody.
"""

import json
import re
from typing import Any, NamedTuple

from control_plane.orders.services import REQUESTS_MAX, Request

INTENT_BYTES_MAX = 4096
BOUNDS = {
    "item": (1, 2**63 - 1),
    "shard": (0, 2**15 - 1),
    "epoch": (1, 2**31 - 1),
    "qty": (1, 2**15 - 1),
}
SHOPPER = re.compile(r"[A-Za-z0-9._:-]{1,64}")
RESERVATION_ID = re.compile(r"(0|[1-9]\d{0,18})-(0|[1-9]\d{0,4})-[A-Za-z0-9_-]{22}", re.ASCII)


class BadWish(ValueError):
    """`field` names what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Wish(NamedTuple):
    """A batch for one shard."""

    item: int
    shard: int
    epoch: int
    requests: list[Request]


def parse(body: bytes) -> Wish:
    """The batch; raises BadWish."""
    fields = _object(body, "body", {"item", "shard", "epoch", "requests"})
    item, shard, epoch = (_integer(fields, name) for name in ("item", "shard", "epoch"))
    requests = fields["requests"]
    if type(requests) is not list or not 1 <= len(requests) <= REQUESTS_MAX:
        raise BadWish("requests", f"Must be a list of 1 to {REQUESTS_MAX}.")
    return Wish(item, shard, epoch, [_request(one, item, shard, epoch) for one in requests])


def _request(fields: Any, item: int, shard: int, epoch: int) -> Request:
    if type(fields) is not dict or fields.keys() != {"shopper", "reservation_id", "qty", "intent"}:
        raise BadWish("requests", "Each has shopper, reservation_id, qty and intent.")
    shopper, reservation_id, intent = (
        _text(fields, name) for name in ("shopper", "reservation_id", "intent")
    )
    if not SHOPPER.fullmatch(shopper):
        raise BadWish("shopper", "Must be 1 to 64 of A-Z a-z 0-9 . _ : -")
    match = RESERVATION_ID.fullmatch(reservation_id)
    if not match or (int(match[1]), int(match[2])) != (item, shard):
        raise BadWish("reservation_id", "Must be <item>-<shard>-<22 characters>.")
    qty = _integer(fields, "qty")
    if len(intent.encode()) > INTENT_BYTES_MAX:
        raise BadWish("intent", f"At most {INTENT_BYTES_MAX} bytes.")
    told = _object(intent, "intent")
    wanted = {
        "v": 1,
        "reservation_id": reservation_id,
        "item": item,
        "shard": shard,
        "epoch": epoch,
        "shopper": shopper,
        "qty": qty,
    }
    for name, value in wanted.items():
        if type(told.get(name)) is not type(value) or told[name] != value:
            raise BadWish("intent", f"Its {name} is another one.")
    return Request(shopper, reservation_id, qty, intent)


def _object(text: bytes | str, field: str, keys: set[str] | None = None) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise BadWish(field, "Not JSON.") from None
    if type(fields) is not dict or (keys is not None and fields.keys() != keys):
        raise BadWish(field, f"Must be an object of {', '.join(sorted(keys or []))}.")
    return fields


def _integer(fields: dict[str, Any], name: str) -> int:
    least, most = BOUNDS[name]
    value = fields[name]
    # bool is an int in Python.
    if type(value) is not int or not least <= value <= most:
        raise BadWish(name, f"Must be an integer from {least} to {most}.")
    return value


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if type(value) is not str:
        raise BadWish(name, "Must be a string.")
    return value
