"""What is owed to somebody and late, as figures that alerts watch (deploy/prometheus).

Counted in the sale database every few seconds; while it does not answer, the figures stand and the
process is not ready.
"""

import logging
from datetime import timedelta
from threading import Event

from control_plane.dead_letters.services import backlog
from control_plane.orders.services import Mark, unanswered_since
from workers.runtime import metrics
from workers.runtime.clock import Clock
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import SILENT_AFTER_S, Readiness
from workers.runtime.side_thread import SideThread
from workers.runtime.verdicts import Unavailable

OWED = "owed"
LOOK_S = 5.0
assert LOOK_S * 2 < SILENT_AFTER_S
# The warehouse may be behind by this, and what is older than a day a person has seen.
ANSWER_WITHIN = timedelta(minutes=2)
ANSWERS_OF = timedelta(days=1)

_log = logging.getLogger(__name__)


class OwedWatch(SideThread):
    """Dead letters, exception orders, and orders the warehouse has not answered."""

    ends_both = True

    def __init__(self, clock: Clock, stop: Event, readiness: Readiness) -> None:
        super().__init__("owed", stop)
        self._clock = clock
        self._readiness = readiness
        self._mark = Mark()

    def turn(self) -> float:
        """One look."""
        try:
            self.look()
        except Unavailable as error:
            _log.warning("what is owed is unknown: %s", error)
            self._readiness.report(OWED, str(error))
        else:
            self._readiness.report(OWED)
        return LOOK_S

    def look(self) -> None:
        """Set the figures; raises Unavailable."""
        now = self._clock.now()
        with unavailable_when_down("default"):
            letters = backlog()
            without_answer, self._mark = unanswered_since(
                self._mark, now - ANSWERS_OF, now - ANSWER_WITHIN
            )
        metrics.LETTERS_PENDING.set(letters.pending)
        metrics.EXCEPTION_ORDERS.set(letters.exceptions)
        oldest_at = letters.oldest_at
        age_s = (now - oldest_at).total_seconds() if oldest_at else 0
        metrics.LETTERS_OLDEST_SECONDS.set(max(age_s, 0))
        metrics.ORDERS_UNANSWERED.set(without_answer)
