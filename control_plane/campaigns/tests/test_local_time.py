"""Wall clocks and the moments they mean, also on the days on which clocks are changed."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from control_plane.campaigns import local_time

BERLIN = "Europe/Berlin"
_wall = datetime.fromisoformat


@pytest.mark.parametrize(
    ("zone", "wall", "moment"),
    [
        ("Asia/Shanghai", _wall("2026-11-11 00:00:00"), datetime(2026, 11, 10, 16, 0, tzinfo=UTC)),
        (BERLIN, _wall("2026-07-01 20:00:00"), datetime(2026, 7, 1, 18, 0, tzinfo=UTC)),
        (BERLIN, _wall("2026-12-01 20:00:00"), datetime(2026, 12, 1, 19, 0, tzinfo=UTC)),
        ("UTC", _wall("2026-12-01 20:00:07"), datetime(2026, 12, 1, 20, 0, 7, tzinfo=UTC)),
        # The first and the last second around the two changes of a year.
        (BERLIN, _wall("2026-03-29 01:59:59"), datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        (BERLIN, _wall("2026-03-29 03:00:00"), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (BERLIN, _wall("2026-10-25 01:59:59"), datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        (BERLIN, _wall("2026-10-25 03:00:00"), datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
    ],
)
def test_a_time_on_the_wall_is_one_moment_and_back(zone, wall, moment):
    assert local_time.to_utc(wall, zone) == moment
    assert local_time.to_wall(moment, zone) == wall


@pytest.mark.parametrize(
    ("zone", "wall", "said"),
    [
        (
            BERLIN,
            _wall("2026-03-29 02:30:00"),
            "2026-03-29 02:30:00 does not exist in Europe/Berlin: the clocks are set forward",
        ),
        (BERLIN, _wall("2026-03-29 02:00:00"), "The first time after it is 2026-03-29 03:00:00."),
        # Half an hour, at another place and another time of the year.
        (
            "Australia/Lord_Howe",
            _wall("2026-10-04 02:15:00"),
            "The first time after it is 2026-10-04 02:30:00.",
        ),
        # A whole day that an island skipped.
        (
            "Pacific/Apia",
            _wall("2011-12-30 12:00:00"),
            "The first time after it is 2011-12-31 00:00:00.",
        ),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused_in_words(zone, wall, said):
    with pytest.raises(ValidationError) as refused:
        local_time.to_utc(wall, zone)
    assert refused.value.code == "gap"
    assert said in refused.value.messages[0]


def test_a_time_that_comes_twice_is_refused_and_both_are_named():
    with pytest.raises(ValidationError) as refused:
        local_time.to_utc(_wall("2026-10-25 02:30:00"), BERLIN)
    assert refused.value.code == "ambiguous"
    assert refused.value.messages[0] == (
        "2026-10-25 02:30:00 comes twice in Europe/Berlin, since the clocks are set back over it. "
        "Choose another time, or the time zone UTC, where the two are 2026-10-25 00:30:00 and "
        "2026-10-25 01:30:00."
    )


def test_weeks_later_the_wall_shows_the_same():
    friday = datetime(2026, 10, 23, 18, 0, tzinfo=UTC)  # 20:00 in Berlin, in summer
    assert local_time.weeks_later(friday, BERLIN, 1) == datetime(2026, 10, 30, 19, 0, tzinfo=UTC)


def test_zones_have_names_that_people_know():
    names = local_time.zone_names()
    assert {"UTC", "Asia/Shanghai", BERLIN, "America/New_York"} <= set(names)
    assert not {"localtime", "posixrules", "Factory", "Etc/GMT+3", "EST"} & set(names)
    with pytest.raises(ValidationError, match="Choose one such as Asia/Shanghai"):
        local_time.check_zone("Asia/Peking")
