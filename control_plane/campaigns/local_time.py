"""Wall clocks: people set up a sale by the clock of the place it is for, it is stored in UTC."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# Regions of the IANA database that people live in; the rest are old names and offsets.
_REGIONS = (
    "Africa",
    "America",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)


@cache
def zone_names() -> tuple[str, ...]:
    """What a campaign may choose from: UTC, then by region."""
    named = (name for name in available_timezones() if name.partition("/")[0] in _REGIONS)
    return ("UTC", *sorted(named))


def default_zone() -> str:
    """The installation's."""
    return str(settings.TIME_ZONE)


def check_zone(name: str) -> None:
    """A model's validator."""
    if name not in zone_names():
        raise ValidationError(
            _("“%(name)s” is no time zone. Choose one such as Asia/Shanghai."),
            params={"name": name},
        )


def to_wall(moment: datetime, zone: str) -> datetime:
    """What the clocks of the zone show, without a zone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def to_utc(wall: datetime, zone: str) -> datetime:
    """The moment at which the clocks of the zone show this. Raises Django's ValidationError.

    Twice a year there is an hour that does not exist and one that comes twice; which moment was
    meant is asked and not guessed.
    """
    first, second = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    moment = first.astimezone(UTC)
    if to_wall(moment, zone) != wall:
        raise ValidationError(
            _(
                "%(wall)s does not exist in %(zone)s: the clocks are set forward over it. The "
                "first time after it is %(next)s."
            ),
            code="gap",
            params={"wall": _shown(wall), "zone": zone, "next": _shown(_after_gap(wall, zone))},
        )
    if first.utcoffset() != second.utcoffset():
        raise ValidationError(
            _(
                "%(wall)s comes twice in %(zone)s, since the clocks are set back over it. Choose "
                "another time, or the time zone UTC, where the two are %(first)s and %(second)s."
            ),
            code="ambiguous",
            params={
                "wall": _shown(wall),
                "zone": zone,
                "first": _shown(moment.replace(tzinfo=None)),
                "second": _shown(second.astimezone(UTC).replace(tzinfo=None)),
            },
        )
    return moment


def weeks_later(moment: datetime, zone: str, weeks: int) -> datetime:
    """The same weekday and time on the wall; an hour later where that time does not exist."""
    wall = to_wall(moment, zone) + timedelta(weeks=weeks)
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _after_gap(wall: datetime, zone: str) -> datetime:
    """The wall time at which the gap ends: where both readings of it meet."""
    tz = ZoneInfo(zone)
    before = wall.replace(tzinfo=tz, fold=0).utcoffset()
    low, high = (wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (1, 0))
    # The change lies between the two, since inside the gap fold 0 counts by the offset before it.
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(tz).utcoffset() == before:
            low = middle
        else:
            high = middle
    return to_wall(high.replace(microsecond=0), zone)


def _shown(wall: datetime) -> str:
    return f"{wall:%Y-%m-%d %H:%M:%S}"
