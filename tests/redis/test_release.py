"""release.lua: what has ended no longer counts, and stays known."""

import pytest

from tests.redis.armed_shard import Answer, Request
from tests.redis.books import held_by
from tests.redis.conftest import Arm
from tests.redis.mutants import replaced
from workers.stock import scripts

ANN = Request("ann", 2)


def test_the_shopper_may_buy_again(arm: Arm) -> None:
    shard = arm(limit=2)
    shard.reserve(ANN)
    assert shard.reserve(Request("ann", key="more")) == Answer("L")
    assert shard.release(ANN) == 1
    assert shard.reserve(Request("ann", 2, "more")) == Answer("R")


def test_a_retry_of_what_has_ended_takes_nothing(arm: Arm) -> None:
    shard = arm(limit=2)
    shard.reserve(ANN)
    shard.release(ANN)
    with shard.unchanged():
        assert shard.reserve(ANN, Request("ann", 1), ANN) == Answer("AAA", (0, 0, 0))


def test_no_unit_comes_back_here(arm: Arm) -> None:
    shard = arm(units=5, limit=2)
    shard.reserve(ANN)
    before = shard.books()
    shard.release(ANN)
    assert shard.books() == before


def test_a_repeat_changes_nothing(arm: Arm) -> None:
    shard = arm(limit=2)
    shard.reserve(ANN)
    shard.release(ANN)
    with shard.unchanged():
        assert shard.release(ANN) == 0


def test_his_other_reservations_stand(arm: Arm) -> None:
    shard = arm(units=20, limit=9)
    asked = [Request("ann", qty, key) for qty, key in ((2, "a"), (3, "b"), (4, "c"))]
    shard.reserve(*asked)
    shard.release(asked[1])
    assert shard.reserve(*asked) == Answer("AAA", (2, 0, 4))
    assert shard.reserve(Request("ann", 4, "d"), Request("ann", 3, "e")) == Answer("LR")


def test_what_was_not_known_is_known_from_now_on(arm: Arm) -> None:
    shard = arm(limit=2)
    assert shard.release(ANN) == 1
    assert shard.reserve(ANN, Request("ann", 2, "more")) == Answer("AR", (0,))


def test_an_id_that_begins_like_another_is_another(arm: Arm) -> None:
    shard = arm(limit=9)
    keys = [shard.shard.ctl, shard.shard.avail, shard.shard.buyers]
    shard.server.operator.hset(shard.shard.buyers, "ann", "abc=1,c=2,bc=3")
    shard.call(scripts.RELEASE, keys, 1, "ann", "c")
    held = held_by(shard.server.worker, shard.shard)
    assert dict(held["ann"]) == {"abc": 1, "bc": 3, "c": 0}
    shard.server.operator.delete(shard.shard.buyers)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (1,),
        (1, "ann"),
        (1, "", "r"),
        (1, "ann", ""),
        (1, "ann", "a,b"),
        (1, "ann", "a=1"),
    ],
)
def test_a_wrong_call_is_refused(arm: Arm, arguments: tuple[str | int, ...]) -> None:
    shard = arm()
    keys = [shard.shard.ctl, shard.shard.avail, shard.shard.buyers]
    with shard.refuses("BADCALL"):
        shard.call(scripts.RELEASE, keys, *arguments)


def test_a_key_of_the_wrong_type_changes_nothing(arm: Arm) -> None:
    shard = arm()
    key = shard.shard.buyers
    wrong = shard.replaced(key, "RPUSH", key, "not what it should be")
    with wrong, shard.refuses("WRONGTYPE"):
        shard.release(ANN)


def test_forgotten_what_has_ended_would_be_sold_a_second_time(arm_unchecked: Arm) -> None:
    shard = arm_unchecked(limit=2)
    stays = 'redis.call("HSET", KEYS[3], shopper, table.concat(others, ","))'
    goes = 'redis.call("HDEL", KEYS[3], shopper)'
    shard.replace(scripts.RELEASE, replaced(scripts.RELEASE, stays, goes))
    shard.reserve(ANN)
    shard.release(ANN)
    assert shard.reserve(ANN) == Answer("R")
    assert "doubled" in {fault.split(":")[0] for fault in shard.faults()}
