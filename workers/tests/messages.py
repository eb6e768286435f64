"""Intents as the gateway writes them."""

import json
import time
from hashlib import sha256
from typing import Any


def reservation_id(item: int, shopper: str, shard: int = 0, key: str = "") -> str:
    """Looks like the gateway's keyed hash; same shopper and key, same reservation."""
    return f"{item}-{shard}-{sha256(f'{item} {shopper} {key}'.encode()).hexdigest()[:22]}"


def fields(item: int, shopper: str, **changed: Any) -> dict[str, Any]:
    """The fields of an intent, in the gateway's order."""
    shard = changed.get("shard", 0)
    return {
        "v": 1,
        "reservation_id": reservation_id(item, shopper, shard, changed.pop("key", "")),
        "item": item,
        "shard": shard,
        "epoch": 1,
        "shopper": shopper,
        "qty": 1,
        "device": "d" * 22,
        "level": "regular",
        "at_ms": int(time.time() * 1000),
    } | changed


def line(item: int, shopper: str, **changed: Any) -> bytes:
    """The same as the gateway writes it and an outbox keeps it."""
    one = fields(item, shopper, **changed)
    names = ("device", "level", "at_ms")
    rest = " ".join(str(one[name]) for name in names)
    return f"{shopper} {one['reservation_id']}={one['qty']} {rest}".encode()


def intent(item: int, shopper: str, **changed: Any) -> bytes:
    """The message."""
    return json.dumps(fields(item, shopper, **changed), separators=(",", ":")).encode()
