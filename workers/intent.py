"""A reservation's intent: the message of topic `reservations`, exactly as the gateway wrote it.

`decode` is strict: what it lets through fits every column and every rule of `landing.sql`, so that
one bad message can never fail its whole batch in the database.
"""

import json
import re
from typing import Any

from control_plane.orders.services import Intent
from workers.runtime.verdicts import InvalidMessage

VERSION = 1
# Four times the longest intent the gateway can build.
VALUE_BYTES_MAX = 4096
# bigint, smallint, integer; a quantity above smallint cannot be within any item's limit.
ITEM_MAX = 2**63 - 1
SHARD_MAX = 2**15 - 1
EPOCH_MAX = 2**31 - 1
QTY_MAX = 2**15 - 1
# 2001 to 2100: a time in seconds or in microseconds falls outside.
AT_MS_MIN, AT_MS_MAX = 10**12, 4_102_444_800_000

_SHOPPER = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_RESERVATION_ID = re.compile(r"(\d{1,19})-(\d{1,5})-[A-Za-z0-9_-]{22}", re.ASCII)


def decode(value: bytes | None) -> Intent:
    """The intent, or InvalidMessage with the field and the reason."""
    if value is None or len(value) > VALUE_BYTES_MAX:
        raise InvalidMessage("value: missing" if value is None else "value: too long")
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not JSON: {error}") from None
    if type(fields) is not dict:
        raise InvalidMessage("value: not a JSON object")
    if fields.get("v") != VERSION or fields["v"] is True:
        raise InvalidMessage(f"v: unknown version {str(fields.get('v'))[:20]!r}")
    item = _integer(fields, "item", 1, ITEM_MAX)
    shard = _integer(fields, "shard", 0, SHARD_MAX)
    shopper = fields.get("shopper")
    if type(shopper) is not str or not _SHOPPER.fullmatch(shopper):
        raise InvalidMessage("shopper: must be 1 to 64 of A-Z a-z 0-9 . _ : -")
    at_ms = _integer(fields, "at_ms", AT_MS_MIN, AT_MS_MAX)
    return Intent(
        reservation_id=_reservation_id(fields, item, shard),
        item=item,
        shard=shard,
        epoch=_integer(fields, "epoch", 1, EPOCH_MAX),
        shopper=shopper,
        qty=_integer(fields, "qty", 1, QTY_MAX),
        at_ms=at_ms,
    )


def _integer(fields: dict[str, Any], name: str, least: int, most: int) -> int:
    value = fields.get(name)
    # bool is an int in Python; JSON's 1.0 is a float and refused too.
    if type(value) is not int or not least <= value <= most:
        raise InvalidMessage(f"{name}: must be an integer from {least} to {most}")
    return value


def _reservation_id(fields: dict[str, Any], item: int, shard: int) -> str:
    """Starts with its item and shard: landing relies on one id never naming two items."""
    value = fields.get("reservation_id")
    match = _RESERVATION_ID.fullmatch(value) if type(value) is str else None
    if not match or match[1] != str(item) or match[2] != str(shard):
        raise InvalidMessage("reservation_id: must be <item>-<shard>-<22 characters>")
    assert isinstance(value, str)
    return value
