"""Attempts at letters of topic `order-events`: at its time one is given to whoever refused it."""

from collections.abc import Callable
from datetime import datetime

from control_plane.dead_letters import attempts
from control_plane.dead_letters.attempts import Result
from control_plane.dead_letters.models import ErrorKind, Source
from control_plane.dead_letters.reading import Unreadable

REPLAYED = "replayed"


class Refused(Exception):
    """Its consumer's database does not take it as it is; the reason."""


class NotNow(Exception):
    """Something its consumer needs is down; whether it was done is unknown."""


def replay_due(replay: Callable[[str, bytes], None], now: datetime) -> Result | None:
    """One attempt, at the event that waits longest; None when nothing is due.

    `replay(consumer, payload)` does what that consumer does with the message, once however often it
    is called, and raises Unreadable, Refused or NotNow; not in a transaction.
    """
    letter = attempts.claim([Source.ORDER_EVENTS], now)
    if letter is None:
        return None
    try:
        replay(letter.consumer, bytes(letter.payload))
    except Unreadable as error:
        return attempts.failed(letter, ErrorKind.INVALID, str(error))
    except Refused as error:
        return attempts.failed(letter, ErrorKind.REFUSED, str(error))
    except NotNow as error:
        return attempts.unanswered(letter, str(error), now)
    return attempts.done(letter, REPLAYED, letter.consumer)
