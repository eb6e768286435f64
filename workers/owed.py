"""What is owed to somebody and late, as figures that alerts watch (deploy/prometheus)."""

from datetime import timedelta
from threading import Event

from control_plane.dead_letters.services import backlog
from control_plane.orders.services import Mark, events_aside, unanswered_since
from workers.runtime import metrics
from workers.runtime.clock import Clock
from workers.runtime.figures import Figures
from workers.runtime.readiness import Readiness

OWED = "owed"
# The warehouse may be behind by this, and what is older than a day a person has seen.
ANSWER_WITHIN = timedelta(minutes=2)
ANSWERS_OF = timedelta(days=1)


class OwedWatch(Figures):
    """Dead letters, exception orders, orders the warehouse has not answered, events put aside."""

    part = OWED
    every_s = 5.0

    def __init__(self, clock: Clock, stop: Event, readiness: Readiness) -> None:
        super().__init__(clock, stop, readiness)
        self._mark = Mark()

    def look(self) -> None:
        """Set the figures."""
        now = self._clock.now()
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
        metrics.ORDER_EVENTS_ASIDE.set(events_aside())
