"""Figures that stand in PostgreSQL and nowhere else, shown as metrics by a thread that looks."""

import logging
from abc import abstractmethod
from threading import Event

from workers.runtime.clock import Clock
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import SILENT_AFTER_S, Readiness
from workers.runtime.side_thread import SideThread
from workers.runtime.verdicts import Unavailable

_log = logging.getLogger(__name__)


class Figures(SideThread):
    """Looks again and again; while the sale database is away the older figures stand."""

    ends_both = True
    # Of the process, which is not ready while it cannot look.
    part: str
    every_s: float

    def __init__(self, clock: Clock, stop: Event, readiness: Readiness) -> None:
        assert self.every_s < SILENT_AFTER_S
        super().__init__(self.part, stop)
        self._clock = clock
        self._readiness = readiness

    def turn(self) -> float:
        """One look."""
        try:
            with unavailable_when_down("default"):
                self.look()
        except Unavailable as error:
            _log.warning("%s not read: %s", self.part, error)
            self._readiness.report(self.part, str(error))
        else:
            self._readiness.report(self.part)
        return self.every_s

    @abstractmethod
    def look(self) -> None:
        """Set every gauge; raises Django's errors while the database cannot say."""
