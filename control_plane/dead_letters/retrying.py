"""Attempts: at its time a dead letter is read and landed as the order consumer would have."""

import logging
from datetime import datetime

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from control_plane.dead_letters import attempts, telling
from control_plane.dead_letters.attempts import Result
from control_plane.dead_letters.models import DeadLetter, ErrorKind, Source
from control_plane.dead_letters.reading import NoRetry, Unreadable, intent_of
from control_plane.orders import services as orders

CONFIRMED = "confirmed"
SOURCES = (Source.RESERVATIONS, Source.OUTBOX, Source.OTHER)

log = logging.getLogger(__name__)


def retry_due(now: datetime) -> Result | None:
    """One attempt, at the reservation that waits longest; None when nothing is due.

    Must not run inside a transaction. An attempt whose answer is unknown is not counted: it is
    made again, and landing knows what it has decided.
    """
    letter = attempts.claim(SOURCES, now)
    if letter is None:
        return None
    try:
        landed = orders.land([intent_of(letter)], now)[0]
    except Unreadable as error:
        kind = ErrorKind.NO_RETRY if isinstance(error, NoRetry) else ErrorKind.INVALID
        return attempts.failed(letter, kind, str(error))
    except (OperationalError, InterfaceError) as error:
        connection.close()
        return attempts.unanswered(letter, str(error).strip(), now)
    except DatabaseError as error:
        return attempts.failed(letter, ErrorKind.REFUSED, str(error).strip())
    return _decided(letter, landed)


def _decided(letter: DeadLetter, landed: orders.Landed) -> Result:
    """Order or rejection, by this attempt or long before: both stand for ever."""
    if landed.reason and landed.fresh:
        # A RESERVED that is refused is a broken promise: an operator must see each one.
        log.error(
            "reservation rejected: %s",
            landed.reason,
            extra={"item": landed.item, "reservation_id": landed.reservation_id},
        )
    with transaction.atomic():
        telling.tell(landed)
        return attempts.done(
            letter,
            landed.reason or CONFIRMED,
            landed.reason or landed.number,
            reservation_id=landed.reservation_id,
            shopper=landed.shopper,
        )
