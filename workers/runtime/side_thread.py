"""A loop beside a process's main loop: asked to stop with it, and its failure ends both."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from threading import Event, Thread

from django.db import connections


class SideThread(Thread):
    """Calls `turn` until stopped; `check` raises what is no outage, in the thread that asks."""

    # Whether its end, by a failure too, asks the main loop to stop; else who asks `check` hears it.
    ends_both = False

    def __init__(self, name: str, stop: Event) -> None:
        super().__init__(name=name, daemon=True)
        self._stop_asked = stop
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Turns, each after the pause that the one before asked for, in seconds."""
        pause_s = 0.0
        try:
            while not self._stop_asked.wait(pause_s):
                pause_s = self.turn()
        except BaseException as failure:  # noqa: BLE001  (the other thread raises it again)
            self._failure = failure
        finally:
            connections.close_all()
            if self.ends_both:
                self._stop_asked.set()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    @abstractmethod
    def turn(self) -> float:
        """One round; how long to wait before the next. Waits out what is Unavailable itself."""


def run_beside(main_loop: Callable[[], None], sides: Sequence[SideThread], stop: Event) -> None:
    """All of them until stopped; a failure of any ends the process."""
    for side in sides:
        side.start()
    try:
        main_loop()
    finally:
        stop.set()
        for side in sides:
            side.join()
    for side in sides:
        side.check()
