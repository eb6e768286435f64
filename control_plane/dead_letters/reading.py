"""What a dead letter asks for, read anew each time: newer code may understand it."""

import re

from control_plane.dead_letters.models import DeadLetter, Source
from control_plane.orders import services as orders

# `{i7:s03:e12}:outbox`, as the workers name it.
_OUTBOX = re.compile(r"\{i(\d{1,19}):s(\d{2,5}):e(\d{1,10})\}:outbox", re.ASCII)


class Unreadable(ValueError):
    """Nobody can say what it asks for; the reason."""


class NoRetry(Unreadable):
    """It is about no reservation, and nothing here knows how to do it again."""


def intent_of(letter: DeadLetter) -> orders.Intent:
    """The reservation that it asks for; raises Unreadable, of which NoRetry stays so."""
    payload = bytes(letter.payload)
    if letter.source == Source.ORDER_EVENTS:
        raise Unreadable("an order event asks for no reservation")
    if letter.source == Source.OTHER:
        raise NoRetry(f"{letter.source_name} has no reservations")
    if letter.source == Source.OUTBOX:
        payload = _message(letter.source_name, payload)
    try:
        return orders.read_intent(payload)
    except orders.BadIntent as error:
        raise Unreadable(str(error)) from None


def _message(outbox: str, line: bytes) -> bytes:
    """The message that the relay would have made of the line."""
    match = _OUTBOX.fullmatch(outbox)
    if match is None:
        raise Unreadable(f"{outbox} is not the name of an outbox")
    item, shard, epoch = map(int, match.groups())
    try:
        return orders.read_line(line.decode("ascii"), item, shard, epoch).value.encode()
    except ValueError as error:
        raise Unreadable(str(error)) from None
