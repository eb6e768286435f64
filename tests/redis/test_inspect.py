"""inspect.lua: a shard's books in one reading."""

from dataclasses import replace
from typing import Any

import pytest

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.conftest import Arm
from tests.redis.mutants import replaced
from tests.redis.server import StockServer
from workers.stock import scripts
from workers.stock.keys import Shard
from workers.stock.shard import Books

EMPTY = Books(
    avail=0,
    sold=0,
    granted=0,
    winners=0,
    outbox=0,
    sold_out=0,
    reclaimed=0,
    balanced=1,
    lacking=0,
    bans=0,
    fault="",
)


def but(**changed: Any) -> Books:
    """Books that differ from those of an armed shard without units."""
    return replace(EMPTY, **changed)


def test_it_counts_units_and_not_shoppers(arm: Arm) -> None:
    shard = arm(units=20, limit=5)
    shard.grant(10)
    shard.reserve(Request("ann", 2), Request("ann", 3, "again"), Request("bob", 1))
    shard.reserve(Request("cem", 5))
    shard.reclaim(4)
    shard.reclaim(3)
    assert shard.books() == but(avail=12, sold=11, granted=30, reclaimed=7, winners=3, outbox=2)


def test_units_sold_are_counted_in_this_epoch_alone(server: StockServer, unused_item: int) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 1), limit=3)
    shard.rebuild(("ann", "old-1", 3), ("bob", "old-2", 0))
    shard.arm()
    shard.grant(5)
    shard.reserve(Request("cem", 2))
    shard.release(Request("cem", 2))
    assert shard.books() == but(avail=3, sold=2, granted=5, winners=3, outbox=1)
    assert shard.faults() == []


def test_it_tells_what_was_lacking(arm: Arm) -> None:
    shard = arm(units=0, limit=5)
    shard.reserve(Request("ann", 4), Request("bob", 2))
    assert shard.books() == but(lacking=4)


def test_it_tells_a_mark_that_is_believed(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    assert shard.books() == but(sold_out=1)


@pytest.mark.parametrize("age_ms", [1000, 60_000, -5000])
def test_it_tells_no_mark_that_is_not_believed(arm: Arm, age_ms: int) -> None:
    shard = arm(units=0)
    shard.mark_sold_out(version_ms=shard.server.now_ms() - age_ms)
    assert shard.books() == but(sold_out=0)


def test_a_mark_of_some_units_is_not_sold_out(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out(left=2)
    assert shard.books() == but(sold_out=0)


def test_it_counts_who_is_banned(arm: Arm) -> None:
    shard = arm(units=0)
    shard.ban({"ann": shard.server.now_ms() + 60_000, "bob": 1})
    assert shard.books() == but(bans=2)


def test_missing_keys_are_empty_and_missing_stock_is_not_zero(
    server: StockServer, unused_item: int
) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 1), limit=1)
    assert shard.books() == but(avail=-1, balanced=0, fault="its keys are gone")


@pytest.mark.parametrize(
    ("key", "by"),
    [("avail", 1), ("avail", -1), ("grants", 1), ("grants", -1), ("reclaims", 1), ("sold", -1)],
)
def test_a_unit_too_many_or_too_few_anywhere_is_seen(arm_unchecked: Arm, key: str, by: int) -> None:
    shard = arm_unchecked(units=10)
    shard.reserve(Request("ann"))
    shard.reclaim(2)
    assert shard.books().balanced == 1
    operator, keys = shard.server.operator, shard.shard
    if key == "avail":
        operator.incrby(keys.avail, by)
    elif key == "sold":
        operator.hincrby(keys.ctl, "sold", by)
    else:
        operator.hincrby(getattr(keys, key), "spoilt", by)
    assert shard.books().balanced == 0


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("epoch", "2", "its control record is not of this epoch"),
        ("limit", "", "its control record is not of this epoch"),
        ("sold", "", "its control record is not of this epoch"),
        ("life", "f" * 40, "it was armed in another life"),
        ("life", "", "it was armed in another life"),
        ("disarmed", "1", "it is disarmed"),
    ],
)
def test_it_names_why_the_shard_refuses(
    arm_unchecked: Arm, field: str, value: str, fault: str
) -> None:
    shard = arm_unchecked()
    shard.server.operator.hset(shard.shard.ctl, field, value)
    assert shard.books().fault == fault
    with shard.refuses("FENCED"):
        shard.reserve(Request("ann"))


@pytest.mark.parametrize("avail", ["-1", "1.5", "many"])
def test_stock_that_is_no_count_is_none(arm_unchecked: Arm, avail: str) -> None:
    shard = arm_unchecked()
    shard.server.operator.set(shard.shard.avail, avail)
    books = shard.books()
    assert (books.avail, books.balanced, books.fault) == (-1, 0, "its keys are gone")


def test_it_changes_nothing(arm: Arm) -> None:
    shard = arm()
    shard.reserve(Request("ann"))
    with shard.unchanged():
        shard.books()


def test_redis_would_not_let_it_write() -> None:
    assert scripts.INSPECT.text.startswith("#!lua flags=no-writes\n")


def test_it_can_be_run_when_the_server_is_full(arm: Arm) -> None:
    shard = arm()
    allowed = shard.server.operator.config_get("maxmemory")["maxmemory"]
    shard.server.operator.config_set("maxmemory", 1)
    try:
        assert shard.books().fault == ""
        as_a_writer = replaced(scripts.INSPECT, "#!lua flags=no-writes", "#!lua")
        shard.replace(scripts.INSPECT, as_a_writer)
        keys = shard.shard.keys
        with pytest.raises(Exception, match="maxmemory"):
            shard.call(scripts.INSPECT, keys, 1)
    finally:
        shard.server.operator.config_set("maxmemory", allowed)
