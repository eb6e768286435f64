"""How many places a second the order pipeline can take: additive increase, halving (AIMD).

The same rule by which TCP finds a network's capacity (Chiu and Jain, 1989): nobody has to know the
capacity, and it is found again after every change.
"""

from dataclasses import dataclass

RATE_FIRST, RATE_MIN, RATE_MAX = 2000.0, 50.0, 100_000.0
# Up by this much a second while all is well.
STEP_PER_S = 2000.0
# Less than half a second's work of one order consumer (`make bench` P4).
LAG_MAX = 5000
LATENCY_MAX_S = 2.0
# One slow look must not halve the rate at each tick: what was halved needs time to show.
HALVE_EVERY_S = 1.0
# A reading that is older says nothing any more.
READING_MAX_S = 5.0
# What was not used is not saved up for longer.
SAVED_S = 0.4
assert RATE_MIN < RATE_FIRST < RATE_MAX


@dataclass(frozen=True)
class Reading:
    """The pipeline at one time (monotonic): messages not consumed, age of what was decided last.

    `latency_s` is None when nothing was decided lately, which is no trouble without a lag.
    """

    at: float
    lag: int
    latency_s: float | None


class Pace:
    """One for all items: they share the pipeline."""

    def __init__(self) -> None:
        self.rate_per_s = RATE_FIRST
        self._saved = 0.0
        self._at: float | None = None
        self._halved_at = float("-inf")

    def budget(self, now: float, reading: Reading | None) -> int:
        """Places that may be called at this time; tell with `use` how many were."""
        elapsed = 0.0 if self._at is None else max(now - self._at, 0.0)
        if self._at is None:
            self._saved = self.rate_per_s * SAVED_S
        self._at = now
        if _is_well(now, reading):
            self.rate_per_s = min(self.rate_per_s + STEP_PER_S * min(elapsed, 1.0), RATE_MAX)
        elif now - self._halved_at >= HALVE_EVERY_S:
            self.rate_per_s = max(self.rate_per_s / 2, RATE_MIN)
            self._halved_at = now
        self._saved = min(self._saved + self.rate_per_s * elapsed, self.rate_per_s * SAVED_S)
        return int(self._saved)

    def use(self, places: int) -> None:
        """They were called."""
        self._saved -= places


def _is_well(now: float, reading: Reading | None) -> bool:
    """What is not known is not well: slower is the safe side, and the sale goes on."""
    if reading is None or now - reading.at > READING_MAX_S:
        return False
    return reading.lag <= LAG_MAX and (reading.latency_s or 0.0) <= LATENCY_MAX_S
