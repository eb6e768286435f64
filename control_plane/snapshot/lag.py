"""What a heartbeat means, in words."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.utils.timesince import timesince
from django.utils.translation import gettext as _

# Heartbeats come every second or two.
STALE_AFTER = timedelta(seconds=10)
# Of a clock that is synchronised, with the time the heartbeat was on its way.
CLOCK_OFF_MS = 500
MINUTE = timedelta(minutes=1)


def versions(workers: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(version, how many workers run it), the newest first."""
    return sorted(Counter(worker["version"] for worker in workers).items(), reverse=True)


def behind(missing_since: datetime | None, at: datetime) -> str:
    """How long, when it was last heard, there had been something that a worker did not have."""
    if missing_since is None:
        return _("up to date")
    if missing_since >= at:
        return _("a newer one was published after it was last seen")
    return _("behind for %(time)s") % {"time": _how_long(missing_since, at)}


def last_seen(at: datetime, now: datetime) -> str:
    """Since when it is silent, if it is."""
    if now - at <= STALE_AFTER:
        return _("%(time)s ago") % {"time": _how_long(at, now)}
    return _("silent for %(time)s") % {"time": _how_long(at, now)}


def clock(ahead_ms: int) -> str:
    """How far off its clock is."""
    if abs(ahead_ms) <= CLOCK_OFF_MS:
        return _("right")
    seconds = f"{abs(ahead_ms) / 1000:.1f}"
    if ahead_ms > 0:
        return _("%(seconds)s s fast") % {"seconds": seconds}
    return _("%(seconds)s s slow") % {"seconds": seconds}


def _how_long(since: datetime, until: datetime) -> str:
    """Seconds below a minute, else as Django says it."""
    if until - since < MINUTE:
        return _("%(seconds)s s") % {"seconds": max(0, int((until - since).total_seconds()))}
    return timesince(since, until, depth=1)
