"""Dead letters come into the retry table, each once, and are counted there."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Min

from control_plane.dead_letters.models import (
    OPEN_STATES,
    DeadLetter,
    ErrorKind,
    LetterState,
)
from control_plane.dead_letters.reading import NoRetry, Unreadable, intent_of

ERROR_LENGTH_MAX = 500


class Letter(NamedTuple):
    """A message of the dead letters' topic; topic, partition and offset are its place."""

    source: str
    source_name: str
    topic: str
    partition: int
    offset: int
    payload: bytes
    error_kind: str
    error: str
    # Of an order event: whose attempt it is that is made again.
    consumer: str = ""


class Backlog(NamedTuple):
    """How much waits, and for whom."""

    pending: int
    exceptions: int
    # When the one came that waits longest for the clock; None when nothing does.
    oldest_at: datetime | None


def pauses() -> Sequence[timedelta]:
    """Before each attempt, from the one before or from its arrival."""
    return [timedelta(minutes=minutes) for minutes in settings.ENV.retry_minutes]


def keep(letters: Iterable[Letter], now: datetime) -> None:
    """Store what is not there yet. Idempotent; one statement, so all or nothing.

    What nothing here can retry is an exception order at once. Raises Django's errors when the
    database cannot do it now, or when it may or may not have.
    """
    DeadLetter.objects.bulk_create((_row(one, now) for one in letters), ignore_conflicts=True)


def backlog() -> Backlog:
    """Of all letters that are neither done nor discarded."""
    waiting = DeadLetter.objects.filter(state__in=OPEN_STATES)
    counts = {
        state: (count, oldest_at)
        for state, count, oldest_at in waiting.values_list("state").annotate(
            Count("pk"), Min("created_at")
        )
    }
    pending, oldest_at = counts.get(LetterState.PENDING, (0, None))
    exceptions, _ = counts.get(LetterState.EXCEPTION, (0, None))
    return Backlog(pending, exceptions, oldest_at)


def open_letters(reservation_ids: Sequence[str]) -> set[str]:
    """Which of these reservations have a letter that is neither done nor discarded."""
    letters = DeadLetter.objects.filter(state__in=OPEN_STATES, reservation_id__in=reservation_ids)
    return set(letters.values_list("reservation_id", flat=True))


def storable(text: str) -> str:
    """As much as there is room for; PostgreSQL's text holds no NUL."""
    return text.replace("\0", "\ufffd")[:ERROR_LENGTH_MAX]


def _row(letter: Letter, now: datetime) -> DeadLetter:
    row = DeadLetter(
        source=letter.source,
        source_name=letter.source_name,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        digest=sha256(letter.payload).hexdigest(),
        consumer=letter.consumer,
        payload=letter.payload,
        error_kind=letter.error_kind,
        error=storable(letter.error),
        next_at=now + pauses()[0],
        created_at=now,
    )
    try:
        intent = intent_of(row)
    except NoRetry:
        row.state, row.error_kind = LetterState.EXCEPTION, ErrorKind.NO_RETRY
    except Unreadable:
        pass  # perhaps newer code can; an order event is its consumer's to read
    else:
        row.reservation_id, row.shopper = intent.reservation_id, intent.shopper
        row.item_number = intent.item
    return row
