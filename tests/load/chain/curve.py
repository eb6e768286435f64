"""The arrivals of a real sale: calm, countdown, spike, decay. Times and kinds come from a seed."""

import enum
import math
import random
from dataclasses import dataclass

CALM_S, COUNTDOWN_S, SPIKE_S, DECAY_S = 2.0, 3.0, 3.0, 6.0
BEFORE_S, AFTER_S = CALM_S + COUNTDOWN_S, SPIKE_S + DECAY_S
# Shares of the peak: what comes in when nothing happens yet, and in the last second before.
CALM, EVE = 0.02, 0.30
HALF_LIFE_S = 1.5
# Second clicks of somebody who does not trust the first one.
REPEATS_MOST, REPEAT_WITHIN_S = 3, (0.1, 0.8)


class Kind(enum.Enum):
    """Who arrives. Everybody but a looker clicks on buy."""

    LOOKER = "looker"  # reads the campaign
    EARLY = "early"  # clicks before the start
    SHOPPER = "shopper"  # one click, then asks for the status until it is final
    IMPATIENT = "impatient"  # the same, and clicks again with the same token
    FORGER = "forger"  # a robot with a token that it has changed
    GUESSER = "guesser"  # a robot with a path key of its own


BEFORE = {Kind.LOOKER: 0.85, Kind.EARLY: 0.15}
AFTER = {
    Kind.SHOPPER: 0.55,
    Kind.IMPATIENT: 0.15,
    Kind.LOOKER: 0.18,
    Kind.FORGER: 0.06,
    Kind.GUESSER: 0.06,
}
assert math.isclose(sum(BEFORE.values()), 1) and math.isclose(sum(AFTER.values()), 1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody's clicks, in seconds of the sale's start; the first is the arrival itself."""

    kind: Kind
    clicks_s: tuple[float, ...]

    @property
    def buys(self) -> bool:
        """Whether this is somebody whom a unit may be sold to."""
        return self.kind in (Kind.SHOPPER, Kind.IMPATIENT)


def rate(at_s: float, peak_per_s: float) -> float:
    """Arrivals a second at this time of the sale; 0 s is its start."""
    if not -BEFORE_S <= at_s < AFTER_S:
        return 0.0
    if at_s < -COUNTDOWN_S:
        return CALM * peak_per_s
    if at_s < 0:
        # Attention grows by a factor a second, not by a number.
        done = 1 + at_s / COUNTDOWN_S
        return CALM * math.pow(EVE / CALM, done) * peak_per_s
    if at_s < SPIKE_S:
        return peak_per_s
    return peak_per_s * math.pow(0.5, (at_s - SPIKE_S) / HALF_LIFE_S)


def arrivals(peak_per_s: float, seed: int) -> list[Arrival]:
    """Everybody who comes, in order: a Poisson process of that rate, thinned from its peak."""
    choice = random.Random(seed)
    found, at_s = [], -BEFORE_S
    while (at_s := at_s + choice.expovariate(peak_per_s)) < AFTER_S:
        if choice.random() * peak_per_s < rate(at_s, peak_per_s):
            found.append(_arrival(at_s, choice))
    return found


def _arrival(at_s: float, choice: random.Random) -> Arrival:
    shares = BEFORE if at_s < 0 else AFTER
    kind = choice.choices(list(shares), list(shares.values()))[0]
    if kind is not Kind.IMPATIENT:
        return Arrival(kind, (at_s,))
    again = (choice.uniform(*REPEAT_WITHIN_S) for _ in range(choice.randint(1, REPEATS_MOST)))
    return Arrival(kind, (at_s, *sorted(at_s + wait_s for wait_s in again)))
