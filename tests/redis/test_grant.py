"""grant.lua: units into a shard, once per grant id."""

import pytest

from tests.redis.armed_shard import Answer, ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import without
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard


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


def test_a_shard_that_was_not_armed_gets_nothing(server: StockServer, unused_item: int) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 1), limit=1)
    with shard.refuses("FENCED"):
        shard.grant(5)


@pytest.mark.parametrize(("field", "value"), [("node", "f" * 40), ("epoch", "2")])
def test_a_shard_of_another_node_or_epoch_gets_nothing(arm: Arm, field: str, value: str) -> None:
    shard = arm()
    ours = shard.server.worker.hget(shard.shard.ctl, field)
    shard.server.operator.hset(shard.shard.ctl, field, value)
    with shard.refuses("FENCED"):
        shard.grant(5)
    shard.server.operator.hset(shard.shard.ctl, field, str(ours))


def test_a_shard_without_stock_is_fenced_and_not_filled_up(arm: Arm) -> None:
    shard = arm()
    with (
        shard.replaced(shard.shard.avail, "PING"),
        shard.refuses("FENCED"),
    ):
        shard.grant(5)


@pytest.mark.parametrize("name", ["ctl", "avail", "grants"])
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
