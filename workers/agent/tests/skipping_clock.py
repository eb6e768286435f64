"""A clock that a test may set forward."""

from datetime import datetime, timedelta

from workers.runtime.clock import SystemClock


class SkippingClock(SystemClock):
    """The machine's clocks and what was skipped."""

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self._skipped_s += seconds

    def now(self) -> datetime:
        """Aware, UTC."""
        return super().now() + timedelta(seconds=self._skipped_s)

    def monotonic(self) -> float:
        """Seconds."""
        return super().monotonic() + self._skipped_s
