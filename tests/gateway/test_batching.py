"""Requests that wait for the same Redis call travel together, up to a limit of calls and places."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.gateway import Gateway
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.redis.waiting import until

SHOPPERS = 50
BATCH_MAX = 20
QUEUE_MAX = 60


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Small numbers, and time enough to fill them."""
    return {
        "SLUICE_BATCH_MAX": str(BATCH_MAX),
        "SLUICE_QUEUE_MAX": str(QUEUE_MAX),
        "SLUICE_RESERVE_TIMEOUT_MS": "10000",
    }


Another = Callable[[dict[str, str]], AbstractContextManager[Gateway]]


@pytest.fixture
def another(shop: Shop, tmp_path: Path) -> Another:
    """A gateway of one's own in front of the same stock, that nobody has asked anything yet."""

    @contextmanager
    def run(settings: dict[str, str]) -> Iterator[Gateway]:
        own = {**shop.gateway.settings, "SLUICE_VAR_DIR": str(tmp_path), **settings}
        gateway, usual = Gateway(tmp_path, own), shop.gateway
        gateway.start()
        shop.gateway = gateway
        try:
            yield gateway
        finally:
            shop.stock.thaw()
            shop.gateway = usual
            gateway.stop()
        assert gateway.unexpected_errors() == []

    return run


@pytest.fixture
def items(shop: Shop) -> Iterator[list[Item]]:
    """Two items; the gateway has an open connection to their shards."""
    items = [shop.put_up(units=100), shop.put_up(units=100)]
    for item in items:
        assert item.buy("warm").outcome == "reserved"
    yield items
    shop.stock.thaw()


def held_back(shop: Shop, wishes: list[tuple[Item, str]]) -> list[str]:
    """Outcomes of requests that all waited for Redis at the same time."""
    shop.stock.freeze()
    requests = [item.send(shopper) for item, shopper in wishes]
    until(lambda: shop.gateway.has_read(len(wishes)), "all requests wait in the gateway")
    shop.stock.thaw()
    return [request.answer().outcome for request in requests]


def test_fifty_waiting_shoppers_are_a_few_calls(shop: Shop, another: Another) -> None:
    with another({}) as gateway:
        item = shop.put_up(units=100)
        assert item.buy("warm").outcome == "reserved"
        assert (
            held_back(shop, [(item, f"s{n}") for n in range(SHOPPERS)]) == ["reserved"] * SHOPPERS
        )
        until(
            lambda: gateway.counted("batched_requests") == 1 + SHOPPERS, "every request is counted"
        )
        # The first goes alone, since nothing was waiting; the others in full batches and a rest.
        assert gateway.counted("batches") == 1 + 1 + math.ceil((SHOPPERS - 1) / BATCH_MAX)


def test_a_batch_of_the_outbox_is_one_entry(shop: Shop, items: list[Item]) -> None:
    held_back(shop, [(items[0], f"s{n}") for n in range(BATCH_MAX + 1)])
    assert items[0].shard.books().outbox == 3  # warm-up, the first, the rest
    assert len(items[0].shard.intents()) == BATCH_MAX + 2


def test_two_items_travel_in_one_pipeline_and_are_not_mixed_up(
    shop: Shop, items: list[Item]
) -> None:
    wishes = [(items[n % 2], f"s{n}") for n in range(SHOPPERS)]
    assert held_back(shop, wishes) == ["reserved"] * SHOPPERS
    for place, item in enumerate(items):
        bought = {intent["shopper"] for intent in item.shard.intents()} - {"warm"}
        assert bought == {f"s{n}" for n in range(SHOPPERS) if n % 2 == place}


def test_one_shopper_many_times_in_a_batch_has_one_reservation(
    shop: Shop, items: list[Item]
) -> None:
    assert held_back(shop, [(items[0], "ann")] * 15) == ["reserved"] * 15
    assert items[0].shard.books().sold == 2


def test_who_finds_the_queue_full_is_busy_at_once_and_takes_nothing(
    shop: Shop, items: list[Item]
) -> None:
    shop.stock.freeze()
    waiting = [items[0].send(f"s{n}") for n in range(QUEUE_MAX)]
    until(lambda: shop.gateway.has_read(QUEUE_MAX), "the queue is full")
    # Redis is frozen: only a refusal without asking it can be answered.
    assert_refused(items[0].buy("late"), "busy")
    assert_refused(items[1].buy("late"), "busy")
    shop.stock.thaw()
    assert [request.answer().outcome for request in waiting] == ["reserved"] * QUEUE_MAX
    assert items[0].buy("late").outcome == "reserved"
    assert items[0].shard.books().sold == QUEUE_MAX + 2
    assert items[1].shard.books().sold == 1


def test_a_queue_of_one_serves_one_at_a_time(shop: Shop, another: Another) -> None:
    with another({"SLUICE_QUEUE_MAX": "1", "SLUICE_BATCH_MAX": "1"}) as gateway:
        item = shop.put_up(units=5)
        assert item.buy("ann").outcome == "reserved"
        shop.stock.freeze()
        first = item.send("bob")
        until(lambda: gateway.has_read(1), "the first request waits")
        assert_refused(item.buy("cem"), "busy")
        shop.stock.thaw()
        assert first.answer().outcome == "reserved"
    assert {intent["shopper"] for intent in item.shard.intents()} == {"ann", "bob"}
