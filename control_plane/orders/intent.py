"""A reservation's intent: a message of topic `reservations`, exactly as the gateway wrote it.

`read` is strict: what it lets through fits every column and every rule of `landing.sql`, so that
one bad message can never fail its whole batch in the database. The order consumer reads it as it
comes; a dead letter is read again with each attempt, by whatever code runs by then.
"""

import json
import re
from typing import Any

from control_plane.orders.landed import Intent

VERSION = 1
# Four times the longest intent the gateway can build.
VALUE_BYTES_MAX = 4096
BOUNDS = {
    "item": (1, 2**63 - 1),
    "shard": (0, 2**15 - 1),
    "epoch": (1, 2**31 - 1),
    # Above smallint it cannot be within any item's limit.
    "qty": (1, 2**15 - 1),
    # 2001 to 2100: a time in seconds or in microseconds falls outside.
    "at_ms": (10**12, 4_102_444_800_000),
}
_ITEMS, _SHARDS, _EPOCHS, _QUANTITIES, _TIMES = (
    range(least, most + 1) for least, most in BOUNDS.values()
)

_SHOPPER = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_RESERVATION_ID = re.compile(r"(0|[1-9]\d{0,18})-(0|[1-9]\d{0,4})-[A-Za-z0-9_-]{22}", re.ASCII)
# The layout the gateway writes, so nearly every message. Only quicker: `read_fields` gives the same
# answer in three times the time, which a landing would wait for (4 of its 20 µs for each order).
_AS_WRITTEN = re.compile(
    r'\{"v":1,"reservation_id":"((0|[1-9]\d{0,18})-(0|[1-9]\d{0,4})-[A-Za-z0-9_-]{22})",'
    r'"item":\2,"shard":\3,"epoch":(0|[1-9]\d{0,9}),"shopper":"([A-Za-z0-9._:-]{1,64})",'
    r'"qty":(0|[1-9]\d{0,9}),"device":"[A-Za-z0-9_-]*","level":"[A-Za-z0-9_-]*",'
    r'"at_ms":([1-9]\d{0,15})\}',
    re.ASCII,
)


class BadIntent(ValueError):
    """It is none; field and reason."""


def read(value: bytes | None) -> Intent:
    """The intent, or BadIntent with the field and the reason."""
    return quick(value) or read_fields(fields_of(value))


def quick(value: bytes | None) -> Intent | None:
    """The intent of a message in the gateway's own layout, None for any other."""
    if not value or len(value) > VALUE_BYTES_MAX:
        return None
    # Every byte is a character here, and what is not ASCII does not match.
    match = _AS_WRITTEN.fullmatch(str(value, "latin-1"))
    if match is None:
        return None
    reservation_id, item, shard, epoch, shopper, qty, at_ms = match.groups()
    intent = Intent(
        reservation_id, int(item), int(shard), int(epoch), shopper, int(qty), int(at_ms)
    )
    # `_bounded` says what is wrong, and takes six times as long.
    is_bounded = (
        intent[1] in _ITEMS
        and intent[2] in _SHARDS
        and intent[3] in _EPOCHS
        and intent[5] in _QUANTITIES
        and intent[6] in _TIMES
    )
    return intent if is_bounded else None


def _bounded(intent: Intent) -> Intent:
    for name, (least, most) in BOUNDS.items():
        if not least <= getattr(intent, name) <= most:
            raise BadIntent(f"{name}: must be an integer from {least} to {most}")
    return intent


def fields_of(value: bytes | None) -> dict[str, Any]:
    """Any JSON object of our version, its fields in any order."""
    if value is None or len(value) > VALUE_BYTES_MAX:
        raise BadIntent("value: missing" if value is None else "value: too long")
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadIntent(f"value: not JSON: {error}") from None
    if type(fields) is not dict:
        raise BadIntent("value: not a JSON object")
    if type(fields.get("v")) is not int or fields["v"] != VERSION:
        raise BadIntent(f"v: unknown version {str(fields.get('v'))[:20]!r}")
    return fields


def read_fields(fields: dict[str, Any]) -> Intent:
    """An intent, perhaps with fields we do not know."""
    for name, (least, most) in BOUNDS.items():
        # bool is an int in Python; JSON's 1.0 is a float. Neither is an integer here.
        if type(fields.get(name)) is not int:
            raise BadIntent(f"{name}: must be an integer from {least} to {most}")
    shopper = fields.get("shopper")
    if type(shopper) is not str or not _SHOPPER.fullmatch(shopper):
        raise BadIntent("shopper: must be 1 to 64 of A-Z a-z 0-9 . _ : -")
    return _bounded(
        Intent(
            _reservation_id(fields),
            fields["item"],
            fields["shard"],
            fields["epoch"],
            shopper,
            fields["qty"],
            fields["at_ms"],
        )
    )


def _reservation_id(fields: dict[str, Any]) -> str:
    """Starts with its item and shard: landing relies on one id never naming two items."""
    value = fields.get("reservation_id")
    match = _RESERVATION_ID.fullmatch(value) if type(value) is str else None
    if not match or (int(match[1]), int(match[2])) != (fields["item"], fields["shard"]):
        raise BadIntent("reservation_id: must be <item>-<shard>-<22 characters>")
    return match[0]
