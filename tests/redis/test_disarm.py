"""disarm.lua: an epoch sells nothing any more."""

from dataclasses import replace

import pytest

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard


def test_it_sells_no_more(arm: Arm) -> None:
    shard = arm()
    shard.reserve(Request("ann"))
    assert shard.disarm() == 1
    with shard.refuses("FENCED"):
        shard.reserve(Request("bob"))
    with shard.refuses("FENCED"):
        shard.reserve(Request("ann"))


def test_nothing_else_is_touched(arm: Arm) -> None:
    shard = arm()
    shard.reserve(Request("ann"))
    before = shard.books()
    shard.disarm()
    assert shard.books() == replace(before, fault="it is disarmed")


def test_a_repeat_changes_nothing(arm: Arm) -> None:
    shard = arm()
    shard.disarm()
    with shard.unchanged():
        assert shard.disarm() == 0


def test_keys_that_are_gone_stay_disarmed(server: StockServer, unused_item: int) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 7), limit=1)
    assert shard.disarm() == 1
    assert shard.ctl() == {"epoch": "7", "disarmed": "1"}
    with shard.refuses("FENCED"):
        shard.arm()
    with shard.refuses("FENCED"):
        shard.rebuild(("ann", "r", 1))


@pytest.mark.parametrize(("field", "value"), [("life", "f" * 40), ("epoch", "9"), ("limit", "")])
def test_it_needs_no_fence(arm_unchecked: Arm, field: str, value: str) -> None:
    shard = arm_unchecked()
    shard.server.operator.hset(shard.shard.ctl, field, value)
    assert shard.disarm() == 1
    assert shard.ctl()["disarmed"] == "1"


def test_without_stock_it_is_disarmed_too(arm_unchecked: Arm) -> None:
    shard = arm_unchecked()
    shard.server.operator.delete(shard.shard.avail)
    assert shard.disarm() == 1


def test_a_call_without_an_epoch_is_refused(arm: Arm) -> None:
    shard = arm()
    with shard.refuses("BADCALL"):
        shard.call(scripts.DISARM, [shard.shard.ctl])
