"""inspect.lua: a shard's books in one reading."""

from tests.redis.armed_shard import ArmedShard, Request
from tests.redis.books import Books
from tests.redis.conftest import Arm
from tests.redis.server import StockServer
from workers.stock.keys import Shard


def test_it_counts_units_and_not_shoppers(arm: Arm) -> None:
    shard = arm(units=20, limit=5)
    shard.grant(10)
    shard.reserve(Request("ann", 2), Request("ann", 3, "again"), Request("bob", 1))
    shard.reserve(Request("cem", 5))
    assert shard.books() == Books(avail=19, sold=11, granted=30, winners=3, outbox=2, sold_out=0)


def test_it_tells_the_mark(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    assert shard.books() == Books(avail=0, sold=0, granted=0, winners=0, outbox=0, sold_out=1)


def test_missing_keys_are_empty_and_missing_stock_is_not_zero(
    server: StockServer, unused_item: int
) -> None:
    shard = ArmedShard(server, Shard(unused_item, 0, 1), limit=1)
    assert shard.books() == Books(avail=-1, sold=0, granted=0, winners=0, outbox=0, sold_out=0)


def test_it_changes_nothing(arm: Arm) -> None:
    shard = arm()
    shard.reserve(Request("ann"))
    with shard.unchanged():
        shard.books()
