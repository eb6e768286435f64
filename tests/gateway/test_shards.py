"""An item whose stock lies in several shards: every shopper has one home and never hops."""

from zlib import crc32

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, published
from tests.redis.armed_shard import ArmedShard
from tests.redis.books import held_by
from workers.stock.keys import Shard

SHARDS = 3


@pytest.fixture
def item(shop: Shop) -> Item:
    """An item with units in each shard."""
    return spread(shop, units=50)


def spread(shop: Shop, units: int) -> Item:
    """Put up an item and arm more shards of it; `units` in each."""
    item = shop.put_up(units)
    armed = [item.shard]
    for number in range(1, SHARDS):
        armed.append(ArmedShard(shop.stock, Shard(item.id, number, epoch=1), limit=1))
        armed[-1].arm()
        armed[-1].grant(units)
    shop.change(item, shard_count=SHARDS, shards=[published(one) for one in armed])
    return item


def test_a_shopper_buys_in_the_shard_of_his_hash(shop: Shop, item: Item) -> None:
    shoppers = [f"s{n}" for n in range(30)]
    for shopper in shoppers:
        reservation_id = item.buy(shopper).json["reservation_id"]
        home = crc32(shopper.encode()) % SHARDS
        assert reservation_id.startswith(f"{item.id}-{home}-")
        assert item.status(reservation_id, shopper).json["state"] == "reserved"
    for number in range(SHARDS):
        shard = ArmedShard(shop.stock, Shard(item.id, number, 1), limit=1)
        assert shard.faults() == []
        at_home = {shopper for shopper in shoppers if crc32(shopper.encode()) % SHARDS == number}
        assert at_home
        assert held_by(shop.stock.worker, shard.shard).keys() == at_home


def test_an_empty_home_is_busy_though_others_have_units(shop: Shop) -> None:
    item = spread(shop, units=1)
    at_home = [name for n in range(40) if crc32((name := f"s{n}").encode()) % SHARDS == 1]
    assert item.buy(at_home[0]).outcome == "reserved"
    with item.untouched():
        assert_refused(item.buy(at_home[1]), "busy")


def test_a_home_that_does_not_sell_now_is_busy_and_nobody_is_sent_elsewhere(
    shop: Shop, item: Item
) -> None:
    armed = shop.document["items"][str(item.id)]["shards"]
    shop.change(item, shards=[armed[0], armed[2]])
    for shopper in [name for n in range(30) if home(name := f"s{n}") == 1][:5]:
        with item.untouched():
            assert_refused(item.buy(shopper), "busy")
        assert_refused(item.status(f"{item.id}-1-{'a' * 22}", shopper), "busy")
    others = [name for n in range(30) if home(name := f"s{n}") != 1][:5]
    assert [item.buy(shopper).outcome for shopper in others] == ["reserved"] * 5
    shop.change(item, shards=armed)
    for number in range(SHARDS):
        shard = ArmedShard(shop.stock, Shard(item.id, number, 1), limit=1)
        for shopper in held_by(shop.stock.worker, shard.shard):
            assert home(shopper) == number


def home(shopper: str) -> int:
    """The number of his shard."""
    return crc32(shopper.encode()) % SHARDS
