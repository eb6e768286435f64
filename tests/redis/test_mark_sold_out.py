"""mark_sold_out.lua: an empty shard may say that nothing is left anywhere."""

import pytest

from tests.redis.armed_shard import Answer, ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.server import StockServer
from workers.stock.keys import Shard


def test_an_empty_shard_is_marked(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann"))
    assert shard.mark_sold_out() == 1
    assert shard.books().sold_out == 1
    assert shard.reserve(Request("bob")) == Answer("S")


def test_a_repeat_changes_nothing(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    with shard.unchanged():
        assert shard.mark_sold_out() == 1


def test_a_shard_with_units_is_not_marked(arm: Arm) -> None:
    shard = arm(units=1)
    with shard.unchanged():
        assert shard.mark_sold_out() == 0
    assert shard.reserve(Request("ann")) == Answer("R")


def test_a_shard_that_was_not_armed_is_not_marked(server: StockServer, unused_item: int) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 1), limit=1)
    with shard.refuses("FENCED"):
        shard.mark_sold_out()


@pytest.mark.parametrize(("field", "value"), [("node", "f" * 40), ("epoch", "2")])
def test_a_shard_of_another_node_or_epoch_is_not_marked(arm: Arm, field: str, value: str) -> None:
    shard = arm(units=0)
    ours = shard.server.worker.hget(shard.shard.ctl, field)
    shard.server.operator.hset(shard.shard.ctl, field, value)
    with shard.refuses("FENCED"):
        shard.mark_sold_out()
    shard.server.operator.hset(shard.shard.ctl, field, str(ours))


def test_missing_stock_is_not_taken_for_none(arm: Arm) -> None:
    shard = arm()
    with (
        shard.replaced(shard.shard.avail, "PING"),
        shard.refuses("FENCED"),
    ):
        shard.mark_sold_out()
