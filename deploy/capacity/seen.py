"""What a simulation notes: times, and work done, without keeping each of a million requests."""

import math
from collections import defaultdict

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Two per cent from one class to the next, from a microsecond to an hour.
LEAST_S, GROWTH, CLASSES = 1e-6, 1.02, 1112
BIN_S = 0.1


class Latencies:
    """Times in classes of two per cent."""

    def __init__(self) -> None:
        self._counts = np.zeros(CLASSES)

    def add(self, seconds: float, weight: float = 1.0) -> None:
        """One time, seen `weight` times."""
        place = math.log(max(seconds, LEAST_S) / LEAST_S) / math.log(GROWTH)
        self._counts[min(int(place), CLASSES - 1)] += weight

    def add_many(self, seconds: Floats, weights: Floats) -> None:
        """The same for arrays."""
        places = np.log(np.maximum(seconds, LEAST_S) / LEAST_S) / math.log(GROWTH)
        classes = np.minimum(places.astype(np.int64), CLASSES - 1)
        self._counts += np.bincount(classes, weights, CLASSES)

    @property
    def count(self) -> float:
        """How many were added."""
        return float(self._counts.sum())

    @property
    def mean_s(self) -> float:
        """Their mean, as exact as the classes are; 0 without any."""
        middles = LEAST_S * GROWTH ** (np.arange(CLASSES) + 0.5)
        return float((self._counts * middles).sum() / self.count) if self.count else 0.0

    def percentile_s(self, share: float) -> float:
        """The time that `share` of them do not exceed; 0 without any."""
        if not self.count:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), share * self.count))
        return float(LEAST_S * GROWTH ** (min(place, CLASSES - 1) + 0.5))


class Work:
    """How much was done when; `takes_per_s`: how much can be."""

    def __init__(self, takes_per_s: float) -> None:
        self.takes_per_s = takes_per_s
        self._bins: dict[int, float] = defaultdict(float)

    def note(self, begins_s: float, ends_s: float, amount: float) -> None:
        """`amount` was done evenly from begin to end."""
        first, last = math.floor(begins_s / BIN_S), math.floor(ends_s / BIN_S)
        if first == last:
            self._bins[first] += amount
            return
        for place in range(first, last + 1):
            begins, ends = max(begins_s, place * BIN_S), min(ends_s, (place + 1) * BIN_S)
            self._bins[place] += amount * (ends - begins) / (ends_s - begins_s)

    @property
    def done(self) -> float:
        """All of it."""
        return sum(self._bins.values())

    @property
    def busiest(self) -> float:
        """The share of what it can do, in its busiest tenth of a second."""
        most = max(self._bins.values(), default=0.0) / BIN_S / self.takes_per_s
        # Batches do not end where a bin does.
        return min(most, 1.0)
