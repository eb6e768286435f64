"""One attempt at a dead letter: which is next, and what is noted of how it went."""

import logging
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from control_plane.dead_letters import keeping
from control_plane.dead_letters.models import (
    DeadLetter,
    ErrorKind,
    HistoryEntry,
    LetterState,
    Source,
    Step,
)

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
              WHERE state = 'pending' AND next_at <= %(now)s AND source = ANY(%(sources)s)
              ORDER BY next_at, id LIMIT 1
                FOR UPDATE SKIP LOCKED)
RETURNING id
"""

log = logging.getLogger(__name__)


class Result(StrEnum):
    """What became of an attempt."""

    DONE = "done"
    FAILED = "failed"
    # A database or a server cannot do it now: every other attempt would cost a time-out too.
    UNAVAILABLE = "unavailable"


def claim(sources: Sequence[Source], now: datetime) -> DeadLetter | None:
    """The letter of these sources that waits longest; None when nothing is due. Commits."""
    # The pauses before the second attempt, the third, …; the first one's is over.
    waits = [int(pause.total_seconds()) for pause in keeping.pauses()[1:]] + [LAST_ATTEMPT_S]
    wanted: dict[str, Any] = {"now": now, "waits": waits, "most": len(waits)}
    wanted["sources"] = [str(source) for source in sources]
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, wanted)
        row = cursor.fetchone()
    return DeadLetter.objects.get(pk=row[0]) if row else None


def done(letter: DeadLetter, outcome: str, text: str, **learned: Any) -> Result:
    """It has succeeded. In the caller's transaction."""
    if ours(letter).update(
        state=LetterState.DONE, outcome=outcome, finished_at=timezone.now(), **learned
    ):
        note(letter, Step.DONE, text)
    return Result.DONE


def failed(letter: DeadLetter, kind: ErrorKind, error: str) -> Result:
    """Another one comes, or it was the last: then a person has to look."""
    is_last = letter.attempts >= len(keeping.pauses())
    changes = {"error_kind": kind, "error": keeping.storable(error)}
    with transaction.atomic():
        if ours(letter).update(
            state=LetterState.EXCEPTION if is_last else LetterState.PENDING, **changes
        ):
            note(letter, Step.FAILED, error)
            if is_last:
                note(letter, Step.EXCEPTION)
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


def unanswered(letter: DeadLetter, error: str, now: datetime) -> Result:
    """The attempt does not count, and the next one is as far away as the first was."""
    log.warning("attempt without an answer: %s", error, extra={"dead_letter": str(letter)})
    with transaction.atomic():
        if ours(letter).update(
            attempts=letter.attempts - 1,
            next_at=now + keeping.pauses()[0],
            error_kind=ErrorKind.UNAVAILABLE,
            error=keeping.storable(error),
        ):
            note(letter, Step.WAITED, error)
    return Result.UNAVAILABLE


def ours(letter: DeadLetter) -> QuerySet[DeadLetter]:
    """The row as we claimed it; nothing when a person was quicker, or another attempt."""
    return DeadLetter.objects.filter(
        pk=letter.pk, state=LetterState.PENDING, attempts=letter.attempts
    )


def note(letter: DeadLetter, step: Step, text: str = "") -> None:
    """A line of its history."""
    HistoryEntry.objects.create(
        letter=letter,
        at=timezone.now(),
        step=step,
        attempt=letter.attempts,
        text=keeping.storable(text),
    )
