"""One message of `gateway-events`: what became of a purchase, as a gateway told it."""

import json
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from workers.runtime.verdicts import InvalidMessage

VERSION = 1
# Longest of each text; the gateway has checked them already, and a forged one must not fill memory.
TEXT_MAX = 100
WEIGHT_MAX = 1000
IPV4_PREFIX, IPV6_PREFIX = 24, 64


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


# Parsing one costs ten times as much as remembering what it was.
@lru_cache(maxsize=100_000)
def network_of(address: str) -> tuple[str, bool] | None:
    """The /24 or /64 that an address lies in, and whether it is IPv6; None when it is no address.

    One subscriber has a whole /64 to himself (RFC 6177), so there it is what an address is in IPv4.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    is_v6 = isinstance(parsed, IPv6Address)
    prefix = IPV6_PREFIX if is_v6 else IPV4_PREFIX
    return str(ip_network((parsed, prefix), strict=False)), is_v6
