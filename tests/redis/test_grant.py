"""grant.lua: units into a shard, once per grant id."""

import pytest

from tests.redis.armed_shard import Answer, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import without
from workers.stock import scripts


def test_the_units_can_be_bought(arm: Arm) -> None:
    shard = arm(units=0)
    assert shard.grant(3) == [1, 3]
    assert shard.reserve(*(Request(f"s{n}") for n in range(4))) == Answer("RRRE")


def test_a_repeat_adds_nothing_and_tells_what_is_left(arm: Arm) -> None:
    shard = arm(units=0)
    shard.grant(3, "g")
    shard.reserve(Request("ann"))
    with shard.unchanged():
        assert shard.grant(3, "g") == [0, 2]


def test_a_repeat_with_another_quantity_adds_nothing(arm: Arm) -> None:
    shard = arm(units=0)
    shard.grant(3, "g")
    with shard.unchanged():
        assert shard.grant(8, "g") == [0, 3]


def test_grants_add_up(arm: Arm) -> None:
    shard = arm(units=0)
    shard.grant(3, "one")
    assert shard.grant(4, "two") == [1, 7]
    assert shard.books().granted == 7


def test_a_grant_takes_the_sold_out_mark_away(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    shard.grant(1)
    assert shard.books().sold_out == 0


def test_a_grant_forgets_what_was_lacking(arm: Arm) -> None:
    shard = arm(units=0)
    shard.reserve(Request("ann"))
    assert shard.lacking() == 1
    shard.grant(1)
    assert shard.lacking() == 0


def test_after_a_grant_an_older_mark_may_come_and_is_not_believed_for_long(arm: Arm) -> None:
    shard = arm(units=0)
    now_ms = shard.server.now_ms()
    shard.mark_sold_out(version_ms=now_ms)
    shard.grant(1)
    shard.reserve(Request("ann"))
    shard.mark_sold_out(version_ms=now_ms - 1000)
    assert shard.reserve(Request("bob")) == Answer("E")


def test_a_repeated_grant_leaves_the_sold_out_mark(arm: Arm) -> None:
    shard = arm(units=0)
    shard.grant(1, "g")
    shard.reserve(Request("ann"))
    shard.mark_sold_out()
    with shard.unchanged():
        assert shard.grant(1, "g") == [0, 0]


@pytest.mark.parametrize("qty", ["0", "-1", "1.5", "some", "", "nan", "inf", "1e30"])
def test_a_quantity_that_is_no_positive_integer_adds_nothing(arm: Arm, qty: str) -> None:
    shard = arm(units=2)
    with shard.refuses("BADCALL"):
        shard.grant(qty)


@pytest.mark.parametrize("name", ["grants"])
def test_a_key_of_the_wrong_type_changes_nothing(arm: Arm, name: str) -> None:
    shard = arm()
    key = getattr(shard.shard, name)
    with (
        shard.replaced(key, "RPUSH", key, "not what it should be"),
        shard.refuses("WRONGTYPE"),
    ):
        shard.grant(5)


def test_stock_that_cannot_grow_remembers_no_grant(arm: Arm) -> None:
    shard = arm()
    with (
        shard.replaced(shard.shard.avail, "SET", shard.shard.avail, 2**63 - 1),
        shard.refuses("increment or decrement would overflow"),
    ):
        shard.grant(5)


def test_without_its_guard_a_repeat_would_break_the_books(arm: Arm) -> None:
    shard = arm(units=0)
    unguarded = without(scripts.GRANT, 'redis.call("HEXISTS", KEYS[3], grant_id) == 1')
    keys = [shard.shard.ctl, shard.shard.avail, shard.shard.grants]
    for _ in range(2):
        shard.call(unguarded, keys, 1, "g", 3)
    assert [fault.split(":")[0] for fault in shard.faults()] == ["leak"]
    shard.server.operator.decrby(shard.shard.avail, 3)
