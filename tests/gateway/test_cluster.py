"""Two stock nodes: the gateway goes to the one that owns a shard's slot, also when that changes."""

from collections.abc import Iterator

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, published
from tests.gateway.slots import give, slot_of
from tests.redis.armed_shard import ArmedShard
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock.keys import Shard


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """The node that owns everything at first, and the gateway's only seed."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "one")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def second(stock: StockServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """A node of the same cluster that owns nothing at first."""
    node = StockServer(tmp_path_factory.mktemp("stock") / "two")
    node.start()
    stock.meet(node)
    until(node.is_whole, "the second node sees the whole cluster")
    yield node
    node.stop()


def put_up_on(node: StockServer, shop: Shop, units: int = 10) -> Item:
    """An item whose slot `node` owns; the gateway's map says otherwise."""
    item = shop.put_up(armed=False)
    shard = item.shard.shard
    give(slot_of(shard, shop.stock), shop.stock, node)
    arm_on(node, item, Shard(shard.item, 0, 1), units)
    shop.items.append(item)
    publish(shop, item)
    return item


def arm_on(node: StockServer, item: Item, shard: Shard, units: int) -> None:
    """What the stock agent does for an epoch."""
    item.shard = ArmedShard(node, shard, limit=1)
    item.shard.arm()
    item.shard.grant(units)


def publish(shop: Shop, item: Item) -> None:
    """Tell the gateway of the item's shard as it is now."""
    shop.change(item, shards=[published(item.shard)])


def test_a_purchase_follows_its_slot(shop: Shop, second: StockServer) -> None:
    # The gateway reads its map here, while the first node owns every slot.
    assert shop.put_up().buy("ann").outcome == "reserved"
    item = put_up_on(second, shop)
    assert item.buy("ann").outcome == "reserved"
    assert item.shard.books().sold == 1


def test_a_whole_batch_follows_and_nobody_is_lost_or_doubled(
    shop: Shop, second: StockServer
) -> None:
    shop.put_up().buy("warm")
    item = put_up_on(second, shop, units=50)
    requests = [item.send(f"s{n}") for n in range(30)]
    assert [request.answer().outcome for request in requests] == ["reserved"] * 30
    assert item.shard.books().sold == 30


def test_a_status_follows_too(shop: Shop, second: StockServer) -> None:
    item = put_up_on(second, shop)
    reservation_id = item.buy("ann").json["reservation_id"]
    assert item.knows(reservation_id, "ann") == "reserved"
    assert item.knows(reservation_id, "bob") == "not_found"


def test_a_shard_that_moves_while_it_sells_loses_nothing(shop: Shop, second: StockServer) -> None:
    item = shop.put_up(units=100)
    first_epoch, slot = item.shard.shard, slot_of(item.shard.shard, shop.stock)
    reserved = {}

    def sell(names: list[str]) -> set[str]:
        answers = {name: item.send(name) for name in names}
        outcomes = set()
        for name, answer in ((name, request.answer()) for name, request in answers.items()):
            outcomes.add(answer.outcome)
            if answer.outcome == "reserved":
                reserved[name] = answer.json["reservation_id"]
        return outcomes

    assert sell([f"before{n}" for n in range(20)]) == {"reserved"}
    # Half moved: the script finds some of its keys here and some there.
    second.operator.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", shop.stock.node_id)
    shop.stock.operator.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", second.node_id)
    shop.stock.operator.execute_command(
        *("MIGRATE", "127.0.0.1", second.port, first_epoch.buyers, 0, 5000),
        *("AUTH2", "operator", "operator-pw"),
    )
    assert sell([f"during{n}" for n in range(5)]) == {"busy"}
    give(slot, shop.stock, second)
    # The record names the node it was armed on, so the copy does not sell.
    assert sell([f"after{n}" for n in range(5)]) == {"busy"}
    moved = ArmedShard(second, first_epoch, limit=1)
    assert moved.faults() == []
    assert moved.books().sold == len(reserved) == 20
    shop.items.remove(item)

    arm_on(shop.stock, item, Shard(item.id, 0, 2), units=80)
    shop.items.append(item)
    publish(shop, item)
    assert sell([f"again{n}" for n in range(5)]) == {"reserved"}
    assert item.shard.books().sold == 5


def test_an_owner_that_died_is_replaced_by_whoever_has_its_slot_now(
    shop: Shop, second: StockServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    third = StockServer(tmp_path_factory.mktemp("stock") / "three")
    third.start()
    try:
        shop.stock.meet(third)
        until(third.is_whole, "the third node sees the whole cluster")
        item = put_up_on(third, shop)
        assert item.buy("ann").outcome == "reserved"
        slot = slot_of(item.shard.shard, shop.stock)
        shop.items.remove(item)
    finally:
        third.stop()
    assert item.buy("bob").outcome in {"busy", "pending"}
    # A new epoch has another slot; this one gets a new owner all the same, as after a failover.
    for node in (shop.stock, second):
        node.operator.execute_command("CLUSTER", "SETSLOT", slot, "NODE", shop.stock.node_id)
    arm_on(shop.stock, item, Shard(item.id, 0, 1), units=10)
    shop.items.append(item)

    def sold() -> bool:
        answer = item.buy("cem")
        if answer.outcome != "reserved":
            assert_refused(answer, "busy")
        return answer.outcome == "reserved"

    until(sold, "the gateway has found the new owner")


def test_who_comes_while_the_map_is_read_waits_for_it(shop: Shop, second: StockServer) -> None:
    item = put_up_on(second, shop, units=50)
    shop.stock.freeze()
    try:
        shop.gateway.reload()  # new workers know no map, and the only seed does not answer
        requests = [item.send(f"s{n}") for n in range(30)]
        until(lambda: shop.gateway.has_read(30), "all requests wait")
    finally:
        shop.stock.thaw()
    assert [request.answer().outcome for request in requests] == ["reserved"] * 30
