"""arm.lua: open a shard for one epoch on one node."""

import pytest

from tests.redis.armed_shard import NOW_MS, Answer, ArmedShard, Request
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard

FOREIGN_NODE = "f" * 40


@pytest.fixture
def shard(server: StockServer, unused_item: int) -> ArmedShard:
    """A shard that nobody has armed."""
    return ArmedShard(server, Shard(unused_item, shard=0, epoch=1), limit=2)


def arm_with(shard: ArmedShard, *arguments: str | int) -> str:
    """Run the script with these arguments."""
    keys = [shard.shard.ctl, shard.shard.avail, shard.shard.outbox]
    return str(shard.call(scripts.ARM, keys, *arguments))


def test_it_makes_an_empty_shard_with_its_record_and_the_relay_group(shard: ArmedShard) -> None:
    assert shard.arm() == "armed"
    worker = shard.server.worker
    assert worker.hgetall(shard.shard.ctl) == {
        "epoch": "1",
        "node": shard.server.node_id,
        "limit": "2",
        "armed_at_ms": str(NOW_MS),
    }
    assert worker.get(shard.shard.avail) == "0"
    assert worker.xlen(shard.shard.outbox) == 0
    assert [group["name"] for group in worker.xinfo_groups(shard.shard.outbox)] == ["relay"]
    assert shard.faults() == []


def test_a_repeat_changes_nothing(shard: ArmedShard) -> None:
    shard.arm()
    shard.grant(5)
    shard.reserve(Request("ann"))
    with shard.unchanged():
        assert shard.arm() == "again"
    assert shard.faults() == []


def test_an_armed_shard_does_not_sell_before_a_grant(shard: ArmedShard) -> None:
    shard.arm()
    assert shard.reserve(Request("ann")) == Answer("E")


@pytest.mark.parametrize(
    ("field", "value"), [("node", FOREIGN_NODE), ("epoch", "2"), ("epoch", "01")]
)
def test_keys_of_another_node_or_epoch_are_left_alone(
    shard: ArmedShard, field: str, value: str
) -> None:
    shard.arm()
    shard.server.operator.hset(shard.shard.ctl, field, value)
    with shard.refuses("FENCED"):
        shard.arm()


def test_stock_without_its_record_is_not_armed_again(shard: ArmedShard) -> None:
    shard.arm()
    shard.grant(5)
    shard.server.operator.delete(shard.shard.ctl)
    with shard.refuses("FENCED"):
        shard.arm()


def test_lost_stock_does_not_come_back_as_zero(shard: ArmedShard) -> None:
    shard.arm()
    shard.grant(5)
    shard.server.operator.delete(shard.shard.avail)
    with shard.unchanged():
        assert shard.arm() == "again"
    with shard.refuses("FENCED"):
        shard.reserve(Request("ann"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (1,),
        (1, 1),
        (1, 0, NOW_MS),
        (1, -1, NOW_MS),
        (1, "1.5", NOW_MS),
        (1, "many", NOW_MS),
        (1, "inf", NOW_MS),
        (1, 1, "now"),
    ],
)
def test_a_wrong_call_is_refused_and_makes_nothing(
    shard: ArmedShard, arguments: tuple[str | int, ...]
) -> None:
    with shard.refuses("BADCALL"):
        arm_with(shard, *arguments)
