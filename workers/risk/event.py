"""One message of `gateway-events`: what became of a purchase, as a gateway told it."""

import json
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, NamedTuple

from workers.runtime.verdicts import InvalidMessage

VERSION = 1
# Longest of each text; the gateway has checked them already, and a forged one must not fill memory.
TEXT_MAX = 100
WEIGHT_MAX = 1000


class Event(NamedTuple):
    """Texts are empty where the gateway refused before it knew them.

    `weight`: how many such answers this one stands for, because floods are sampled.
    """

    at_ms: int
    item: int
    outcome: str
    shopper: str
    device: str
    address: str
    weight: int = 1


def decode(value: bytes | None) -> Event:
    """Raises InvalidMessage. Fields that nobody here asks for are not looked at."""
    try:
        fields: Any = json.loads(value or b"")
        if fields["v"] != VERSION:
            raise InvalidMessage(f"version {fields['v']!r}")
        event = Event(
            fields["at_ms"],
            fields["item"],
            fields["outcome"],
            fields["shopper"],
            fields["device"],
            fields["address"],
            fields.get("n", 1),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidMessage(f"not an event: {error!r}") from error
    at_ms, item, *texts, weight = event
    if not type(at_ms) is type(item) is type(weight) is int or not 1 <= weight <= WEIGHT_MAX:
        raise InvalidMessage("at_ms, item and n must be integers")
    for text in texts:
        if type(text) is not str or len(text) > TEXT_MAX:
            raise InvalidMessage("a text is none, or too long")
    return event


def network_of(address: str) -> tuple[str, bool] | None:
    """The /24 or /64 that an address lies in, and whether it is IPv6; None when it is no address.

    One subscriber has a whole /64 to himself (RFC 6177), so there it is what an address is in IPv4.
    The module `ipaddress` takes ten times as long.
    """
    try:
        if ":" not in address:
            return inet_ntop(AF_INET, inet_pton(AF_INET, address)[:3] + b"\0") + "/24", False
        return inet_ntop(AF_INET6, inet_pton(AF_INET6, address)[:8] + bytes(8)) + "/64", True
    except OSError:
        return None
