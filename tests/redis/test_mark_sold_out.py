"""mark_sold_out.lua: a shard may say, for a second, that nothing or too little is left anywhere."""

import pytest

from tests.redis.armed_shard import Answer, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import without
from workers.stock import scripts


def test_an_empty_shard_says_sold_out(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann"))
    assert shard.mark_sold_out() == 1
    assert shard.reserve(Request("bob")) == Answer("S")


def test_a_repeat_changes_nothing(arm: Arm) -> None:
    shard = arm(units=0)
    now_ms = shard.server.now_ms()
    shard.mark_sold_out(version_ms=now_ms)
    with shard.unchanged():
        assert shard.mark_sold_out(version_ms=now_ms) == 1


def test_a_newer_mark_takes_the_place_of_an_older_one(arm: Arm) -> None:
    shard = arm(units=0, limit=5)
    now_ms = shard.server.now_ms()
    shard.mark_sold_out(left=3, version_ms=now_ms - 1)
    assert shard.mark_sold_out(left=1, version_ms=now_ms) == 1
    assert (shard.ctl()["sold_out"], shard.ctl()["left"]) == (str(now_ms), "1")


@pytest.mark.parametrize("older_ms", [1, 5000])
def test_an_older_mark_changes_nothing(arm: Arm, older_ms: int) -> None:
    shard = arm(units=0)
    now_ms = shard.server.now_ms()
    shard.mark_sold_out(version_ms=now_ms)
    with shard.unchanged():
        assert shard.mark_sold_out(version_ms=now_ms - older_ms) == 0


def test_two_looks_of_one_millisecond_are_not_both_believed(arm: Arm) -> None:
    shard = arm(units=0)
    now_ms = shard.server.now_ms()
    shard.mark_sold_out(version_ms=now_ms)
    with shard.unchanged():
        assert shard.mark_sold_out(left=2, version_ms=now_ms) == 0


def test_a_shard_with_units_is_not_marked_empty(arm: Arm) -> None:
    shard = arm(units=1)
    with shard.unchanged():
        assert shard.mark_sold_out() == 0
    assert shard.reserve(Request("ann")) == Answer("R")


def test_a_shard_that_holds_more_than_all_together_is_not_marked(arm: Arm) -> None:
    shard = arm(units=3)
    with shard.unchanged():
        assert shard.mark_sold_out(left=2) == 0
    assert shard.mark_sold_out(left=3) == 1


def test_a_grant_takes_the_mark_away(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    shard.grant(1)
    assert shard.ctl().keys().isdisjoint({"sold_out", "left"})


@pytest.mark.parametrize(
    ("version_ms", "left"),
    [("", 0), ("now", 0), ("1.5", 0), ("-1", 0), ("nan", 0), (1, ""), (1, "-1"), (1, "0.5")],
)
def test_a_wrong_call_is_refused(arm: Arm, version_ms: int | str, left: int | str) -> None:
    shard = arm(units=0)
    with shard.refuses("BADCALL"):
        shard.mark_sold_out(left, version_ms)


def test_without_its_guard_a_shard_with_units_would_be_marked(arm: Arm) -> None:
    shard = arm(units=1)
    shard.replace(scripts.MARK_SOLD_OUT, without(scripts.MARK_SOLD_OUT, "avail > left"))
    assert shard.mark_sold_out() == 1


def test_without_its_guard_an_older_mark_would_win(arm: Arm) -> None:
    shard = arm(units=0)
    now_ms = shard.server.now_ms()
    shard.mark_sold_out(left=2, version_ms=now_ms)
    guard = "stored_ms and version_ms <= stored_ms"
    shard.replace(scripts.MARK_SOLD_OUT, without(scripts.MARK_SOLD_OUT, guard))
    assert shard.mark_sold_out(version_ms=now_ms - 1) == 1
