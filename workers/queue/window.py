"""Where an item's admission window should be next. No clock, no Redis, no database of its own.

Places of a bucket: below `written_off` nobody may come any more, below `served_until` everybody
may, and everybody below `issued` has a ticket. What is called and has neither come nor been written
off is outstanding; a window grows only while all that is outstanding is at most k × the units that
are free.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from workers.queue.line import Called
from workers.queue.sharing import Sharing

# Called before anybody asks, so that who comes into an idle queue need not wait for a tick: at most
# this part of what may be outstanding, and what one second brings.
HEADROOM_PART = 4
HEADROOM_S = 1.0
# Speeds are means over about this time.
SPEED_S = 10.0

# From, to: places that are nobody's, because a counter was lost.
Gap = tuple[int, int]


@dataclass(frozen=True)
class Standing:
    """One bucket as it was read; `came` counts places from `written_off` to `served_until`."""

    served_until: int
    written_off: int
    issued: int
    came: int
    gaps: Sequence[Gap] = ()

    @property
    def outstanding(self) -> int:
        """Called, and neither come nor written off."""
        called = self.served_until - self.written_off
        return called - missing(self.gaps, self.written_off, self.served_until) - self.came

    @property
    def demand(self) -> int:
        """Waiting."""
        waiting = max(self.issued - self.served_until, 0)
        return waiting - missing(self.gaps, self.served_until, max(self.issued, self.served_until))

    @property
    def unclaimed(self) -> int:
        """Called before anybody had a ticket."""
        return max(self.served_until - self.issued, 0)


def missing(gaps: Sequence[Gap], start: int, end: int) -> int:
    """How many of the places from `start` to `end` are nobody's."""
    return sum(max(min(last, end) - max(first, start), 0) for first, last in gaps)


def advanced(gaps: Sequence[Gap], place: int, qty: int) -> int:
    """`qty` places further, those not counted that are nobody's."""
    for first, last in sorted(gaps):
        if last <= place:
            continue
        if qty < first - place:
            break
        qty -= max(first - place, 0)
        place = last
    return place + qty


class Window:
    """Remembers what the next tick needs; without it a restart only writes off later."""

    def __init__(self, buckets: int) -> None:
        self._sharing = Sharing(buckets)
        self._speeds = [0.0] * buckets
        self._called: deque[tuple[float, tuple[int, ...]]] = deque()
        self._at: float | None = None

    def next(
        self,
        standings: Sequence[Standing],
        *,
        weights: Sequence[int],
        allowed: int,
        budget: int,
        rate_per_s: float,
        grace_s: float,
        now: float,
    ) -> list[Called]:
        """The window of this tick. `allowed`: k × free units; `budget`: what the pipeline takes."""
        outstanding = sum(one.outstanding for one in standings)
        room = max(min(allowed - outstanding, budget), 0)
        shares = self._sharing.share(room, [one.demand for one in standings], weights)
        room -= sum(shares)
        if all(share >= one.demand for share, one in zip(shares, standings, strict=True)):
            most = min(allowed // HEADROOM_PART, int(rate_per_s * HEADROOM_S))
            shares = _with_headroom(shares, standings, weights, room, most)
        served = [
            advanced(one.gaps, one.served_until, share)
            for one, share in zip(standings, shares, strict=True)
        ]
        written = self._written_off(standings, grace_s, now)
        self._measure(shares, now)
        return [
            Called(until, off, int(speed * 1000))
            for until, off, speed in zip(served, written, self._speeds, strict=True)
        ]

    def _written_off(self, standings: Sequence[Standing], grace_s: float, now: float) -> list[int]:
        """Places that were called, to somebody who had a ticket, longer than the grace ago."""
        called = tuple(min(one.served_until, one.issued) for one in standings)
        if not self._called or self._called[-1][1] != called:
            self._called.append((now, called))
        written = [one.written_off for one in standings]
        while self._called and self._called[0][0] <= now - grace_s:
            _, old = self._called[0]
            written = [max(pair) for pair in zip(written, old, strict=True)]
            if len(self._called) == 1:
                break
            self._called.popleft()
        return written

    def _measure(self, shares: Sequence[int], now: float) -> None:
        elapsed = None if self._at is None else now - self._at
        self._at = now
        if elapsed is None or elapsed <= 0:
            return
        weight = min(elapsed / SPEED_S, 1.0)
        self._speeds = [
            speed + (share / elapsed - speed) * weight
            for speed, share in zip(self._speeds, shares, strict=True)
        ]


def _with_headroom(
    shares: list[int],
    standings: Sequence[Standing],
    weights: Sequence[int],
    room: int,
    most: int,
) -> list[int]:
    """Everybody who waits is served: a little more, by weight, for who comes next."""
    total = sum(weights)
    more = []
    for share, one, weight in zip(shares, standings, weights, strict=True):
        qty = max(min(most * weight // total - one.unclaimed, room), 0)
        room -= qty
        more.append(share + qty)
    return more
