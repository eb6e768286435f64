"""Attempts: at its time a dead letter is read and landed as the order consumer would have."""

import logging
from datetime import datetime
from enum import StrEnum

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from redis import RedisError

from control_plane.dead_letters import keeping, telling
from control_plane.dead_letters.models import (
    DeadLetter,
    ErrorKind,
    HistoryEntry,
    LetterState,
    Step,
)
from control_plane.dead_letters.reading import NoRetry, Unreadable, intent_of
from control_plane.orders import services as orders

CONFIRMED = "confirmed"
# Who died in the last attempt is followed by another one after this time.
LAST_ATTEMPT_S = 60
# The attempt is counted and the next one set before anything is done: who dies meanwhile is
# followed by the next attempt. Of two who look at once each takes another letter.
_CLAIM = """
UPDATE dead_letters_deadletter letter
   SET attempts = attempts + 1,
       next_at = %(now)s + (%(waits)s::bigint[])[least(attempts + 1, %(most)s)]
                           * interval '1 second'
 WHERE id = (SELECT id FROM dead_letters_deadletter
              WHERE state = 'pending' AND next_at <= %(now)s
              ORDER BY next_at, id LIMIT 1
                FOR UPDATE SKIP LOCKED)
RETURNING id
"""

log = logging.getLogger(__name__)


class Result(StrEnum):
    """What became of an attempt."""

    DONE = "done"
    FAILED = "failed"
    # Database or work Redis cannot do it now: every other attempt would cost a time-out too.
    UNAVAILABLE = "unavailable"


def retry_due(now: datetime) -> Result | None:
    """One attempt, at the letter that waits longest; None when nothing is due.

    Must not run inside a transaction. An attempt whose answer is unknown is not counted: it is
    made again, and landing knows what it has decided.
    """
    letter = _claim(now)
    if letter is None:
        return None
    try:
        landed = orders.land([intent_of(letter)], now)[0]
    except Unreadable as error:
        kind = ErrorKind.NO_RETRY if isinstance(error, NoRetry) else ErrorKind.INVALID
        return _failed(letter, kind, str(error))
    except (OperationalError, InterfaceError) as error:
        connection.close()
        return _unanswered(letter, str(error).strip(), now)
    except DatabaseError as error:
        return _failed(letter, ErrorKind.REFUSED, str(error).strip())
    return _decided(letter, landed, now)


def _claim(now: datetime) -> DeadLetter | None:
    # The pauses before the second attempt, the third, …; the first one's is over.
    waits = [int(pause.total_seconds()) for pause in keeping.pauses()[1:]] + [LAST_ATTEMPT_S]
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "waits": waits, "most": len(waits)})
        row = cursor.fetchone()
    return DeadLetter.objects.get(pk=row[0]) if row else None


def _decided(letter: DeadLetter, landed: orders.Landed, now: datetime) -> Result:
    """Order or rejection, by this attempt or long before: both stand for ever.

    Done is who has been told: until its shopper can see a rejection, the letter waits.
    """
    if landed.reason and landed.fresh:
        # A RESERVED that is refused is a broken promise: an operator must see each one.
        log.error(
            "reservation rejected: %s",
            landed.reason,
            extra={"item": landed.item, "reservation_id": landed.reservation_id},
        )
    try:
        telling.show(landed)
    except RedisError as error:
        return _unanswered(letter, f"status not written: {error}", now)
    with transaction.atomic():
        done = _ours(letter).update(
            state=LetterState.DONE,
            outcome=landed.reason or CONFIRMED,
            reservation_id=landed.reservation_id,
            shopper=landed.shopper,
            finished_at=timezone.now(),
        )
        if done:
            _note(letter, Step.DONE, landed.reason or landed.number)
        telling.tell(landed, now)
    return Result.DONE


def _failed(letter: DeadLetter, kind: ErrorKind, error: str) -> Result:
    """Another one comes, or it was the last: then a person has to look."""
    is_last = letter.attempts >= len(keeping.pauses())
    changes = {"error_kind": kind, "error": keeping.storable(error)}
    with transaction.atomic():
        if _ours(letter).update(
            state=LetterState.EXCEPTION if is_last else LetterState.PENDING, **changes
        ):
            _note(letter, Step.FAILED, error)
            if is_last:
                _note(letter, Step.EXCEPTION)
    log.log(
        logging.ERROR if is_last else logging.WARNING,
        "exception order: %s" if is_last else "attempt in vain: %s",
        error,
        extra={
            "kind": "exception_order" if is_last else "dead_letter",
            "dead_letter": str(letter),
            "reservation_id": letter.reservation_id,
        },
    )
    return Result.FAILED


def _unanswered(letter: DeadLetter, error: str, now: datetime) -> Result:
    """The attempt does not count, and the next one is as far away as the first was."""
    log.warning("attempt without an answer: %s", error, extra={"dead_letter": str(letter)})
    with transaction.atomic():
        if _ours(letter).update(
            attempts=letter.attempts - 1,
            next_at=now + keeping.pauses()[0],
            error_kind=ErrorKind.UNAVAILABLE,
            error=keeping.storable(error),
        ):
            _note(letter, Step.WAITED, error)
    return Result.UNAVAILABLE


def _ours(letter: DeadLetter) -> QuerySet[DeadLetter]:
    """The row as we claimed it; nothing when a person was quicker, or another attempt."""
    return DeadLetter.objects.filter(
        pk=letter.pk, state=LetterState.PENDING, attempts=letter.attempts
    )


def _note(letter: DeadLetter, step: Step, text: str = "") -> None:
    HistoryEntry.objects.create(
        letter=letter,
        at=timezone.now(),
        step=step,
        attempt=letter.attempts,
        text=keeping.storable(text),
    )
