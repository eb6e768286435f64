"""Time, passed in: a worker never asks the machine directly, so a test can."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds; only differences mean something."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds; only differences mean something."""
        return time.monotonic()


def from_ms(milliseconds: int) -> datetime:
    """The aware time, UTC, of Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


# A batch has one time, or a few: each is asked for thousands of times.
@lru_cache(maxsize=16)
def to_ms(moment: datetime) -> int:
    """Unix milliseconds of an aware time, rounded down."""
    return int(moment.timestamp() * 1000)
