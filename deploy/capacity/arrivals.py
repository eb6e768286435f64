"""The arrival curve of a sale: calm, countdown, spike, decay. Purchases a second by time."""

import math
from collections.abc import Callable

Curve = Callable[[float], float]

# Shares of the peak and times from the opening at 0: people who wait try early, nearly all click
# within two seconds, then it dies down to those who come by.
CALM, COUNTED_DOWN, TAIL = 0.01, 0.10, 0.02
COUNTDOWN_S, RAMP_S, SPIKE_S, DECAY_S = 10.0, 0.1, 2.0, 3.0
BEGINS_S, ENDS_S = -1.0, 8.0


def sale(peak_per_s: float) -> Curve:
    """The curve whose highest point is `peak_per_s`."""

    def rate(at_s: float) -> float:
        return peak_per_s * _share(at_s)

    return rate


def constant(per_s: float) -> Curve:
    """As many all the time."""
    return lambda at_s: per_s


def _share(at_s: float) -> float:
    if at_s < -COUNTDOWN_S:
        return CALM
    if at_s < 0:
        return CALM * math.pow(COUNTED_DOWN / CALM, 1 + at_s / COUNTDOWN_S)
    if at_s < RAMP_S:
        return COUNTED_DOWN + (1 - COUNTED_DOWN) * at_s / RAMP_S
    if at_s < SPIKE_S:
        return 1.0
    return max(TAIL, math.exp(-(at_s - SPIKE_S) / DECAY_S))
