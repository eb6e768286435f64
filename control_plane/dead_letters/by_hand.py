"""What a person may do with a dead letter: try it at once, or give it up."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Least

from control_plane.dead_letters import keeping, telling
from control_plane.dead_letters.models import (
    OPEN_STATES,
    DeadLetter,
    HistoryEntry,
    LetterState,
    Step,
)
from control_plane.dead_letters.reading import Unreadable, intent_of
from control_plane.dead_letters.retrying import CONFIRMED
from control_plane.orders import services as orders

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(eq=False)  # not frozen: a context it leaves sets its traceback
class AlreadyOrdered(Exception):
    """It has become an order meanwhile; nothing is discarded."""

    number: str


def retry_now(letter_id: int, reason: str, by: "User", now: datetime) -> bool:
    """Have the clock try it within seconds; False when it is done or discarded.

    An exception order gets one more attempt; a pending letter keeps those it has. Repeat safe.
    """
    with transaction.atomic():
        asked = _have_tried(letter_id, now)
        if asked:
            _note(letter_id, Step.ASKED, reason, by, now)
    return asked


def discard(letter_id: int, reason: str, by: "User", now: datetime) -> bool:
    """Give it up; False when it is done or discarded already. Must not run inside a transaction.

    A reservation that can be read is rejected as `discarded`: its units are free again, the topic
    and so its merchant hear of it, its shopper too, and nothing lands it any more. Raises
    AlreadyOrdered when it is an order; Django's errors when it may or may not have been done, and
    then a repeat is safe.
    """
    letter = DeadLetter.objects.get(pk=letter_id)
    if letter.state not in OPEN_STATES:
        return False
    try:
        landed = orders.reject(intent_of(letter), now)
    except Unreadable:
        landed = None
    with transaction.atomic():
        if landed is not None:
            telling.tell(landed)
            if landed.order_id is not None:
                _finish(letter_id, LetterState.DONE, CONFIRMED, now)
        if landed is None or landed.order_id is None:
            outcome = landed.reason if landed else ""
            discarded = _finish(letter_id, LetterState.DISCARDED, outcome, now)
            if discarded:
                _note(letter_id, Step.DISCARDED, reason, by, now)
            return discarded
    raise AlreadyOrdered(landed.number)


def _have_tried(letter_id: int, now: datetime) -> bool:
    """The clock has one more attempt, at once; False when it is done or discarded."""
    letters = DeadLetter.objects.filter(pk=letter_id, state__in=OPEN_STATES)
    attempts = Least("attempts", len(keeping.pauses()) - 1)
    return bool(letters.update(state=LetterState.PENDING, next_at=now, attempts=attempts))


def _finish(letter_id: int, state: LetterState, outcome: str, now: datetime) -> bool:
    letters = DeadLetter.objects.filter(pk=letter_id, state__in=OPEN_STATES)
    return bool(letters.update(state=state, outcome=outcome, finished_at=now))


def _note(letter_id: int, step: Step, reason: str, by: "User", now: datetime) -> None:
    HistoryEntry.objects.create(
        letter_id=letter_id, at=now, step=step, text=keeping.storable(reason), by=by
    )
