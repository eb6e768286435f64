"""Upstreams that do not answer are left alone: nobody waits for them, and others are served."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.client import Answer
from tests.gateway.conftest import Settings
from tests.gateway.control_plane import ControlPlane
from tests.gateway.gateway import Gateway
from tests.gateway.masters import arm, frozen, outcomes, shoppers, three_masters
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, listed, published
from tests.redis.server import StockServer
from tests.redis.waiting import until

NEVER = "1000000"


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
    """All three are seeds."""
    return {
        "SLUICE_STOCK_REDIS": ",".join(node.address for node in masters),
        "SLUICE_RESERVE_TIMEOUT_MS": "600",
    }


@pytest.fixture(scope="module")
def without(module_shop: Shop, folder: Path) -> Iterator[Gateway]:
    """The control: a gateway whose breakers never open."""
    home = folder / "without"
    own = {**module_shop.gateway.settings, "SLUICE_VAR_DIR": str(home)}
    gateway = Gateway(home, {**own, "SLUICE_BREAKER_FAILURES": NEVER})
    gateway.start()
    yield gateway
    gateway.stop()
    assert gateway.unexpected_errors() == []


@pytest.fixture
def item(shop: Shop, masters: list[StockServer]) -> Iterator[Item]:
    """An item with a shard on each master, to which the gateway has connections."""
    item = shop.put_up(armed=False)
    shards = [arm(masters, n, item.id, n) for n in range(3)]
    shop.change(item, shard_count=3, shards=[published(one) for one in shards])
    for name in shoppers({0, 1, 2}, 6, "warm"):
        assert item.buy(name).outcome == "reserved"
    yield item
    for shard in shards:
        assert shard.faults() == []


def is_open(gateway: Gateway, upstream: str) -> bool:
    """Whether the only worker leaves it alone."""
    return gateway.metrics().get(("sluice_gateway_breaker_open", f"{upstream}|0")) == 1


def timed(item: Item, names: list[str], gateway: Gateway) -> tuple[list[Answer], float]:
    """The answers to one after the other, and the median of how long they took."""
    answers, took_s = [], []
    for name in names:
        began = time.monotonic()
        answers.append(item.send(name, gateway=gateway).answer())
        took_s.append(time.monotonic() - began)
    return answers, statistics.median(took_s)


def test_after_the_first_time_out_nobody_waits_for_a_frozen_node(
    shop: Shop, item: Item, masters: list[StockServer], without: Gateway
) -> None:
    until(lambda: without.runs(shop.document["version"]), "both run the snapshot")
    for name in shoppers({0}, 2, "warm"):
        assert item.send(name, gateway=without).answer().outcome == "reserved"
    with frozen(masters[0]):
        first = [item.send(name) for name in shoppers({0}, 5, "first")]
        assert set(outcomes(first)) <= {"pending", "busy"}
        until(lambda: is_open(shop.gateway, masters[0].address), "it is left alone")
        answers, with_s = timed(item, shoppers({0}, 20, "later"), shop.gateway)
        for answer in answers:
            assert_refused(answer, "busy")
        others, others_s = timed(item, shoppers({1, 2}, 20), shop.gateway)
        assert [answer.outcome for answer in others] == ["reserved"] * 20
        _, without_s = timed(item, shoppers({0}, 4, "control"), without)
        print(
            f"\nwhile a node is frozen a request waits {with_s * 1000:.1f} ms with a breaker, "
            f"{without_s * 1000:.0f} ms without; at the other nodes {others_s * 1000:.1f} ms"
        )
        assert with_s < without_s / 10
    until(lambda: item.buy(shoppers({0}, 1, "again")[0]).outcome == "reserved", "it sells again")
    assert not is_open(shop.gateway, masters[0].address)


def test_what_was_sent_stays_unknown_and_its_status_tells(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    (name,) = shoppers({1}, 1, "sent")
    with frozen(masters[1]):
        answer = item.buy(name)
        assert answer.outcome == "pending", "a request that was sent was told no"
        until(lambda: is_open(shop.gateway, masters[1].address), "it is left alone")
        assert_refused(item.status(answer.json["reservation_id"], name), "busy")
    assert item.knows(answer.json["reservation_id"], name) == "reserved"


def test_a_short_stall_opens_nothing(shop: Shop, item: Item, masters: list[StockServer]) -> None:
    left_alone = shop.gateway.counted("redis_errors", "left_alone")
    with frozen(masters[2]):
        stuck = [item.send(name) for name in shoppers({2}, 5, "stall")]
        until(lambda: shop.gateway.has_read(5), "they wait")
    assert outcomes(stuck) == ["reserved"] * 5
    assert not is_open(shop.gateway, masters[2].address)
    assert shop.gateway.counted("redis_errors", "left_alone") == left_alone


def test_a_dead_node_is_left_alone_and_found_when_it_is_back(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    masters[0].kill()
    try:

        def left_alone() -> bool:
            assert_refused_or_pending(item.buy(shoppers({0}, 1, "dead")[0]))
            return is_open(shop.gateway, masters[0].address)

        until(left_alone, "it is left alone")
        told = [item.buy(name).outcome for name in shoppers({1, 2}, 10, "meanwhile")]
        assert told == ["reserved"] * 10
    finally:
        masters[0].start()
        for node in masters:
            until(node.is_whole, "every master sees the whole cluster again")
    until(lambda: not is_open(shop.gateway, masters[0].address), "it is asked again")
    # It has lost its script: the agent has to arm another epoch.
    assert_refused(item.buy(shoppers({0}, 1, "back")[0]), "busy")


def assert_refused_or_pending(answer: Answer) -> None:
    """`pending` for what was on its way when the node died, `busy` for everything else."""
    if answer.outcome != "pending":
        assert_refused(answer, "busy")


def test_a_shard_that_moves_away_from_a_node_that_is_left_alone_sells(
    shop: Shop, item: Item, masters: list[StockServer]
) -> None:
    armed = shop.document["items"][str(item.id)]["shards"]
    with frozen(masters[1]):
        item.buy(shoppers({1}, 1, "first")[0])
        until(lambda: is_open(shop.gateway, masters[1].address), "it is left alone")
        moved = arm(masters, 2, item.id, 1, after=armed[1]["epoch"])
        shop.change(item, shards=[armed[0], published(moved), armed[2]])
        told = [item.buy(name).outcome for name in shoppers({1}, 10, "moved")]
        assert told == ["reserved"] * 10
    assert moved.books().sold == 10


def test_a_control_plane_that_hangs_while_the_database_sells_is_left_alone(
    shop: Shop, plane: ControlPlane
) -> None:
    item, stock = shop.put_up(armed=False), shop.document["stock"]
    plane.database.sell(item.id, 0, 1, units=100)
    shop.document["stock"] = stock | {"source": "database"}
    shop.change(item, shards=[listed(0, 1, "", "database")])
    assert item.buy("before").outcome == "reserved"
    # Time-outs after sending are ours to log.
    shop.gateway.expected_errors.append("/internal/reserve: no answer")
    with plane.hanging():

        def left_alone() -> bool:
            assert_refused_or_pending(item.buy("during"))
            return is_open(shop.gateway, "control-plane reserve")

        until(left_alone, "it is left alone")
        until(lambda: is_open(shop.gateway, "control-plane snapshot"), "the poll has noticed")
    until(lambda: item.buy("after").outcome == "reserved", "it sells again")
    until(lambda: not is_open(shop.gateway, "control-plane snapshot"), "the poll is heard again")
    shop.publish(stock=stock)
