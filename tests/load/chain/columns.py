"""Accepted, refused by reason, landed and lost of one rung: never one for another."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.load.chain.crowd import Heard
from tests.load.chain.curve import AFTER_S, BEFORE_S

JsonObject = dict[str, Any]


def columns(heard: Heard, orders: dict[str, str], rejected: set[str]) -> JsonObject:
    """`orders`: reservation id → shopper, of this rung's item. Lost: neither order nor refusal."""
    lost = [
        reservation
        for reservation, shopper in heard.reserved.items()
        if orders.get(reservation) != shopper and reservation not in rejected
    ]
    return {
        "requests": heard.requests,
        "accepted": len(heard.reserved),
        "repeated": heard.repeated,
        "refused": dict(sorted(heard.refused.items())),
        "unknown": heard.unknown,
        "landed": len(orders),
        "rejected": len(rejected),
        "lost": len(lost),
    }


def seconds(starts_at: float, heard: Heard, landed_at: Sequence[float]) -> JsonObject:
    """Per second of the sale: clicks that were planned, accepted, refused, landed."""
    first, last = -int(BEFORE_S), int(AFTER_S) + 6
    count: Callable[[Sequence[float]], list[int]] = lambda times: _per_second(  # noqa: E731
        times, starts_at, first, last
    )
    return {
        "second": list(range(first, last)),
        "clicks": count(heard.clicked_at),
        "accepted": count(heard.reserved_at),
        "refused": count(heard.refused_at),
        "landed": count(landed_at),
    }


def _per_second(times: Sequence[float], starts_at: float, first: int, last: int) -> list[int]:
    counted = Counter(int((at - starts_at) // 1) for at in times)
    return [counted[second] for second in range(first, last)]
