"""reclaim.lua: free units out of a shard, once per reclaim id."""

import pytest

from tests.redis.armed_shard import Answer, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import replaced
from workers.stock import scripts


def test_the_units_can_no_longer_be_bought(arm: Arm) -> None:
    shard = arm(units=5)
    assert shard.reclaim(3) == 3
    assert shard.reserve(*(Request(f"s{n}") for n in range(3))) == Answer("RRE")


@pytest.mark.parametrize(
    ("want", "low_water", "taken"),
    [(1, 0, 1), (5, 0, 5), (9, 0, 5), (9, 2, 3), (2, 2, 2), (1, 5, 0), (1, 9, 0), (4, 1, 4)],
)
def test_it_takes_what_is_wanted_and_leaves_the_low_water(
    arm: Arm, want: int, low_water: int, taken: int
) -> None:
    shard = arm(units=5)
    assert shard.reclaim(want, low_water) == taken
    assert shard.books().avail == 5 - taken


def test_what_is_sold_is_not_taken_back(arm: Arm) -> None:
    shard = arm(units=3, limit=2)
    shard.reserve(Request("ann", 2))
    assert shard.reclaim(3) == 1
    assert shard.reserve(Request("ann", 2)) == Answer("A", (2,))


def test_a_repeat_takes_nothing_and_gives_the_first_answer(arm: Arm) -> None:
    shard = arm(units=5)
    shard.reclaim(2, reclaim_id="r")
    with shard.unchanged():
        assert shard.reclaim(2, reclaim_id="r") == 2
        assert shard.reclaim(5, reclaim_id="r") == 2


def test_a_repeat_of_one_that_found_nothing_takes_nothing_that_came_later(arm: Arm) -> None:
    shard = arm(units=0)
    assert shard.reclaim(2, reclaim_id="r") == 0
    shard.grant(5)
    with shard.unchanged():
        assert shard.reclaim(2, reclaim_id="r") == 0


def test_the_mark_stands(arm: Arm) -> None:
    shard = arm(units=2, limit=5)
    shard.mark_sold_out(left=2)
    shard.reclaim(2)
    assert shard.reserve(Request("ann", 3)) == Answer("P")


@pytest.mark.parametrize("want", ["0", "-1", "1.5", "some", "", "nan", "inf", "1e30"])
def test_a_quantity_that_is_no_positive_integer_takes_nothing(arm: Arm, want: str) -> None:
    shard = arm()
    with shard.refuses("BADCALL"):
        shard.reclaim(want)


@pytest.mark.parametrize("low_water", ["-1", "1.5", "some", "", "nan"])
def test_a_low_water_that_is_no_count_takes_nothing(arm: Arm, low_water: str) -> None:
    shard = arm()
    with shard.refuses("BADCALL"):
        shard.reclaim(1, low_water)


def test_a_key_of_the_wrong_type_changes_nothing(arm: Arm) -> None:
    shard = arm()
    key = shard.shard.reclaims
    wrong = shard.replaced(key, "RPUSH", key, "not what it should be")
    with wrong, shard.refuses("WRONGTYPE"):
        shard.reclaim(5)


def test_without_its_guard_a_repeat_would_break_the_books(arm_unchecked: Arm) -> None:
    shard = arm_unchecked(units=5)
    shard.replace(scripts.RECLAIM, replaced(scripts.RECLAIM, "if known then", "if false then"))
    for _ in range(2):
        shard.reclaim(2, reclaim_id="r")
    assert [fault.split(":")[0] for fault in shard.faults()] == ["leak"]


def test_without_a_note_of_nothing_a_repeat_would_take_what_came_later(arm: Arm) -> None:
    shard = arm(units=0)
    note = 'redis.call("HSET", KEYS[3], reclaim_id, taken)\nif taken > 0 then'
    later = 'if taken > 0 then redis.call("HSET", KEYS[3], reclaim_id, taken)'
    shard.replace(scripts.RECLAIM, replaced(scripts.RECLAIM, note, later))
    shard.reclaim(2, reclaim_id="r")
    shard.grant(5)
    assert shard.reclaim(2, reclaim_id="r") == 2


def test_without_its_guard_it_would_take_what_is_not_there(arm_unchecked: Arm) -> None:
    shard = arm_unchecked(units=2)
    mutant = replaced(scripts.RECLAIM, "math.min(want, avail - low_water)", "want")
    shard.replace(scripts.RECLAIM, mutant)
    shard.reclaim(5)
    assert shard.books().fault == "its keys are gone"
