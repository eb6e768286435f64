"""Counting in bounded memory: sliding rates, different ones seen lately, and who is kept."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_NONE = (0, 0, 0)


class Kept(Generic[T]):
    """One `T` for each of the `most` values that were met last; the rest are forgotten."""

    def __init__(self, most: int, new: Callable[[], T]) -> None:
        self._most = most
        self._new = new
        self._all: OrderedDict[str, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, value: str) -> T:
        found = self._all.get(value)
        if found is None:
            found = self._all[value] = self._new()
            if len(self._all) > self._most:
                self._all.popitem(last=False)
        else:
            self._all.move_to_end(value)
        return found


class Lately:
    """Different members seen lately: exact up to `most`, then it knows only that they are more.

    Ordered by when each was seen last, so that old ones go from the front.
    """

    __slots__ = ("_most", "_seen")

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, int] = {}

    def add(self, member: str, at_ms: int, within_ms: int) -> int:
        """Note one; how many were seen within the time, itself included, at most `most`."""
        seen = self._seen
        if len(seen) <= 1 and (not seen or member in seen):  # as most are
            seen[member] = at_ms
            return 1
        seen.pop(member, None)
        seen[member] = at_ms
        if len(seen) > self._most:
            del seen[next(iter(seen))]
        return self.count(at_ms, within_ms)

    def count(self, at_ms: int, within_ms: int) -> int:
        """How many were seen within the time, at most `most`; forgets the others."""
        seen = self._seen
        while seen and seen[oldest := next(iter(seen))] <= at_ms - within_ms:
            del seen[oldest]
        return len(seen)

    def keep(self, at_ms: int, within_ms: int) -> None:
        """Take those who were seen within the time as seen now."""
        if self.count(at_ms, within_ms):
            self._seen = dict.fromkeys(self._seen, at_ms)


class Rates:
    """Requests and refusals of one subject over the last `window_ms`.

    The count of the window before, as far as it reaches into the last window_ms, is taken to have
    come evenly. So six numbers do for any rate; a burst at the edge of a window is over- or
    underestimated by at most that window's count.
    """

    __slots__ = ("_before", "_now", "_window")

    def __init__(self) -> None:
        self._window = 0
        self._now: tuple[int, int, int] = _NONE
        self._before: tuple[int, int, int] = _NONE

    def add(
        self, at_ms: int, window_ms: int, weight: int, bad: bool, limited: bool
    ) -> tuple[float, float, float]:
        """Note one; requests, bad tokens and rate-limited ones over the last window."""
        window, into_ms = divmod(at_ms, window_ms)
        if window > self._window:
            self._before = self._now if window == self._window + 1 else _NONE
            self._now, self._window = _NONE, window
        requests, bads, limiteds = self._now
        if bad:
            bads += weight
        elif limited:
            limiteds += weight
        requests += weight
        now = self._now = (requests, bads, limiteds)
        before = self._before
        if before is _NONE or window != self._window:
            return now
        share = 1 - into_ms / window_ms
        return (
            requests + before[0] * share,
            bads + before[1] * share,
            limiteds + before[2] * share,
        )
