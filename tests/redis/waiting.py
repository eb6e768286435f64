"""Polling with a deadline, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Enough for a busy machine of half the speed; nothing is timed against it.
DEADLINE_S = 60.0
PAUSE_S = 0.01


def until(
    look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S, pause_s: float = PAUSE_S
) -> T:
    """The first true answer of `look`; AssertionError with `what` and the last answer, if none."""
    end = time.monotonic() + deadline_s
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}; last seen: {answer!r}"
        time.sleep(pause_s)
