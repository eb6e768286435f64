"""A look-up that ends in time: the system's own has a limit of minutes, and none that we set.

`getaddrinfo` cannot be interrupted. So it runs in a thread of its own, whose answer is nobody's
once the time is over.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

# Threads that still wait for a resolver that hangs. Beyond it names are not asked for: each of them
# would only hang too, and a thread more is memory.
HANGING_MAX = 128

T = TypeVar("T")

_free = threading.BoundedSemaphore(HANGING_MAX)


def within(seconds: float, look_up: Callable[[], T]) -> T:
    """What `look_up` gives or raises; TimeoutError when it has not ended after so long. Blocking.

    TimeoutError at once while HANGING_MAX look-ups hang.
    """
    free = _free
    if not free.acquire(blocking=False):
        raise TimeoutError(f"{HANGING_MAX} look-ups of names hang")
    asked: _Asked[T] = _Asked(look_up, free.release)
    try:
        asked.start()
    except RuntimeError:
        free.release()  # no thread could be started
        raise
    asked.ended.wait(seconds)
    return asked.answer(seconds)


class _Asked(threading.Thread, Generic[T]):
    """One look-up. Daemon: the process does not wait for a resolver at its end."""

    def __init__(self, look_up: Callable[[], T], at_end: Callable[[], None]) -> None:
        super().__init__(name="look-up", daemon=True)
        self._look_up = look_up
        self._at_end = at_end
        self._found: list[T] = []
        self._failure: Exception | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask; whoever waits is told."""
        try:
            self._found.append(self._look_up())
        except Exception as failure:  # noqa: BLE001  (raised where it was asked for)
            self._failure = failure
        finally:
            self._at_end()
            self.ended.set()

    def answer(self, seconds: float) -> T:
        """Raises TimeoutError while there is none."""
        if not self.ended.is_set():
            raise TimeoutError(f"the name was looked up for {seconds:.1f} s without an answer")
        if self._failure is not None:
            raise self._failure
        return self._found[0]
