"""arm.lua: open a shard for one epoch in one life of its node."""

import pytest

from tests.redis.armed_shard import NOW_MS, Answer, ArmedShard, Request
from tests.redis.mutants import replaced, without
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard

OTHER_LIFE = "f" * 40


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
        "life": shard.server.life,
        "limit": "2",
        "armed_at_ms": str(NOW_MS),
        "sold": "0",
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
    ("field", "value"), [("life", OTHER_LIFE), ("epoch", "2"), ("epoch", "01"), ("disarmed", "1")]
)
def test_keys_of_another_life_or_epoch_and_disarmed_ones_are_left_alone(
    shard: ArmedShard, field: str, value: str
) -> None:
    shard.arm()
    shard.server.operator.hset(shard.shard.ctl, field, value)
    with shard.refuses("FENCED"):
        shard.arm()


def test_a_node_that_lives_another_life_is_not_armed(shard: ArmedShard) -> None:
    with shard.refuses("FENCED"):
        shard.arm(life=OTHER_LIFE)


@pytest.mark.parametrize("part", [slice(20), slice(20, None), slice(1)])
def test_half_of_its_life_is_not_its_life(shard: ArmedShard, part: slice) -> None:
    with shard.refuses("FENCED"):
        shard.arm(life=shard.server.life[part])


def test_an_armed_shard_is_not_armed_for_another_life(shard: ArmedShard) -> None:
    shard.arm()
    with shard.refuses("FENCED"):
        shard.arm(life=OTHER_LIFE)


def test_an_epoch_that_was_disarmed_before_it_was_armed_stays_so(shard: ArmedShard) -> None:
    shard.disarm()
    with shard.refuses("FENCED"):
        shard.arm()


def test_buyers_that_were_rebuilt_do_not_keep_it_from_being_armed(shard: ArmedShard) -> None:
    ann = Request("ann")
    shard.rebuild(("ann", shard.reservation_id(ann), 1))
    assert shard.arm() == "armed"
    shard.grant(5)
    assert shard.reserve(ann, Request("ann", 2, "more")) == Answer("AL", (1,))


GUARDS = {
    "a life of its own": (
        'not string.find(redis.call("INFO", "replication"), '
        '"\\nmaster_replid:" .. life .. "\\r\\n", 1, true)'
    ),
    "keys that stand": 'redis.call("EXISTS", KEYS[1], KEYS[2], KEYS[3]) > 0',
}


def test_without_its_guard_it_would_arm_another_life(shard: ArmedShard) -> None:
    shard.replace(scripts.ARM, without(scripts.ARM, GUARDS["a life of its own"]))
    assert shard.arm(life=OTHER_LIFE) == "armed"


def test_without_its_guard_it_would_arm_an_epoch_that_was_disarmed(shard: ArmedShard) -> None:
    shard.disarm()
    shard.replace(scripts.ARM, without(scripts.ARM, GUARDS["keys that stand"]))
    assert shard.arm() == "armed"


@pytest.mark.parametrize(
    ("field", "guard"),
    [("epoch", "ctl[1] == epoch"), ("life", "ctl[2] == life"), ("disarmed", "not ctl[3]")],
)
def test_without_its_guard_it_would_call_a_strange_record_its_own(
    shard: ArmedShard, field: str, guard: str
) -> None:
    shard.arm()
    shard.server.operator.hset(shard.shard.ctl, field, OTHER_LIFE)
    shard.replace(scripts.ARM, replaced(scripts.ARM, guard, "true"))
    assert shard.arm() == "again"


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
        (1, OTHER_LIFE),
        (1, OTHER_LIFE, 1),
        (1, "", 1, NOW_MS),
        (1, "any.*", 1, NOW_MS),
        (1, OTHER_LIFE, 0, NOW_MS),
        (1, OTHER_LIFE, -1, NOW_MS),
        (1, OTHER_LIFE, "1.5", NOW_MS),
        (1, OTHER_LIFE, "many", NOW_MS),
        (1, OTHER_LIFE, "inf", NOW_MS),
        (1, OTHER_LIFE, 1, "now"),
    ],
)
def test_a_wrong_call_is_refused_and_makes_nothing(
    shard: ArmedShard, arguments: tuple[str | int, ...]
) -> None:
    with shard.refuses("BADCALL"):
        arm_with(shard, *arguments)
