"""Three masters: one that hangs or is gone holds up its own shards and nobody else.

No case asserts a time: whoever has another shard is answered while the requests of the hung one,
sent before, still wait.
"""

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.masters import arm, frozen, home, outcomes, shoppers, three_masters
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, published
from tests.redis.server import StockServer
from tests.redis.waiting import until

QUEUE_MAX = 40


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StockServer]]:
    """The cluster."""
    with three_masters(tmp_path_factory.mktemp("masters")) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def stock(masters: list[StockServer]) -> StockServer:
    """Where the shop counts its items: the slot of {tests} is the third one's."""
    return masters[2]


@pytest.fixture(scope="module")
def settings(masters: list[StockServer]) -> Settings:
    """All three are seeds; the queue is small; who waits for a hung master waits for long."""
    return {
        "SLUICE_STOCK_REDIS": ",".join(node.address for node in masters),
        "SLUICE_RESERVE_TIMEOUT_MS": "4000",
        "SLUICE_QUEUE_MAX": str(QUEUE_MAX),
        "SLUICE_BATCH_MAX": str(QUEUE_MAX),
    }


@pytest.fixture
def item(shop: Shop, masters: list[StockServer]) -> Iterator[Item]:
    """An item with a shard on each master."""
    item = shop.put_up(armed=False)
    shards = [arm(masters, n, item.id, n) for n in range(3)]
    shop.change(item, shard_count=3, shards=[published(one) for one in shards])
    yield item
    for shard in shards:
        assert shard.faults() == []


@pytest.mark.parametrize("hung", [0, 1, 2])
def test_a_hung_master_holds_up_nobody_of_the_other_shards(
    shop: Shop, item: Item, masters: list[StockServer], hung: int
) -> None:
    for name in shoppers({0, 1, 2}, 6, "warm"):
        assert item.buy(name).outcome == "reserved"
    others = {0, 1, 2} - {hung}
    with frozen(masters[hung]):
        stuck = [item.send(name) for name in shoppers({hung}, 5, "stuck")]
        until(lambda: shop.gateway.has_read(5), "they wait for the hung master")
        assert outcomes([item.send(n) for n in shoppers(others, 30)]) == ["reserved"] * 30
        assert not any(request.is_answered() for request in stuck)
    assert outcomes(stuck) == ["reserved"] * 5


@pytest.mark.parametrize("hung", [0, 1, 2])
def test_nor_where_it_is_the_first_to_be_asked_for_the_map(
    shop: Shop, item: Item, masters: list[StockServer], hung: int
) -> None:
    others = {0, 1, 2} - {hung}
    with frozen(masters[hung]):
        shop.gateway.reload()  # the new worker knows no map
        stuck = [item.send(name) for name in shoppers({hung}, 3, "stuck")]
        until(lambda: shop.gateway.has_read(3), "they wait for the hung master")
        assert outcomes([item.send(n) for n in shoppers(others, 20)]) == ["reserved"] * 20
        assert not any(request.is_answered() for request in stuck)
    assert outcomes(stuck) == ["reserved"] * 3


def test_nor_do_those_who_wait_for_it_use_up_the_places_of_the_others(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    with frozen(masters[1]):
        stuck = [item.send(name) for name in shoppers({1}, QUEUE_MAX, "stuck")]
        until(lambda: shop.gateway.has_read(QUEUE_MAX), "its queue is full")
        late = shoppers({1}, QUEUE_MAX + 1, "stuck")[-1]
        assert_refused(item.buy(late), "busy")
        assert outcomes([item.send(n) for n in shoppers({0, 2}, 30)]) == ["reserved"] * 30
        assert not any(request.is_answered() for request in stuck)
    assert outcomes(stuck) == ["reserved"] * QUEUE_MAX


def test_nor_those_who_ask_for_their_status(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    bought = {n: item.buy(n).json["reservation_id"] for n in shoppers({0, 1, 2}, 9)}
    with frozen(masters[2]):
        stuck = item.send(shoppers({2}, 1, "stuck")[0])
        until(lambda: shop.gateway.has_read(1), "he waits for the hung master")
        for name, reservation_id in bought.items():
            if home(name) != 2:
                assert item.status(reservation_id, name).json["state"] == "reserved"
        assert not stuck.is_answered()
    assert stuck.answer().outcome == "reserved"


def test_a_master_that_hangs_for_long_is_pending_or_busy_and_the_others_sell(
    item: Item, masters: list[StockServer]
) -> None:
    for name in shoppers({0, 1, 2}, 6, "warm"):
        item.buy(name)
    with frozen(masters[0]):
        stuck = [item.send(name) for name in shoppers({0}, 6, "stuck")]
        told = outcomes(stuck)
        assert set(told) <= {"pending", "busy"} and "pending" in told
        assert outcomes([item.send(n) for n in shoppers({1, 2}, 20)]) == ["reserved"] * 20


def test_a_dead_master_is_busy_and_the_others_sell(item: Item, masters: list[StockServer]) -> None:
    for name in shoppers({0, 1, 2}, 6, "warm"):
        item.buy(name)
    masters[0].kill()
    try:
        assert outcomes([item.send(n) for n in shoppers({1, 2}, 30)]) == ["reserved"] * 30
        for name in shoppers({0}, 3):
            assert item.buy(name).outcome in {"busy", "pending"}
        assert_refused(item.buy(shoppers({0}, 1)[0]), "busy")
        assert outcomes([item.send(n) for n in shoppers({1, 2}, 30, "t")]) == ["reserved"] * 30
    finally:
        masters[0].start()
        for node in masters:
            until(node.is_whole, "every master sees the whole cluster again")


def test_a_worker_that_is_being_replaced_answers_what_it_has(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    name = shoppers({1}, 1, "stuck")[0]
    assert item.buy(shoppers({1}, 1, "warm")[0]).outcome == "reserved"
    masters[1].freeze()
    stuck = item.send(name)
    until(lambda: shop.gateway.has_read(1), "he waits for the hung master")
    shop.gateway.reload()
    masters[1].kill()
    try:
        # Not answered: it looks for a new master, with the last timers that nginx allows it.
        assert stuck.answer().outcome == "pending"
        assert "process exiting" not in shop.gateway.errors()
    finally:
        masters[1].start()
        for node in masters:
            until(node.is_whole, "every master sees the whole cluster again")


def test_a_shard_goes_on_at_another_master_while_its_own_hangs(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    armed = shop.document["items"][str(item.id)]["shards"]
    with frozen(masters[1]):
        stuck = item.send(shoppers({1}, 1, "stuck")[0])
        until(lambda: shop.gateway.has_read(1), "he waits for the hung master")
        moved = arm(masters, 2, item.id, 1, after=armed[1]["epoch"])
        shop.change(item, shards=[armed[0], published(moved), armed[2]])
        assert outcomes([item.send(n) for n in shoppers({1}, 10)]) == ["reserved"] * 10
        assert not stuck.is_answered()
    # Sent before the switch, and answered by the epoch that took it.
    assert stuck.answer().outcome == "reserved"
    assert moved.faults() == []
    assert moved.books().sold == 10
