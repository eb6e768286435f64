"""Many shoppers at once through two nginx workers: each unit is sold once, all hear the truth."""

from collections import Counter

import pytest

from tests.gateway.shop import Item, Shop
from tests.redis.books import held_by
from tests.redis.waiting import until

SHOPPERS, UNITS = 500, 100


@pytest.fixture(scope="module")
def workers() -> int:
    """Two, so that batches of different workers meet in Redis."""
    return 2


def outcomes_of(item: Item, shoppers: list[str]) -> list[tuple[str, str, str]]:
    """(shopper, outcome, reservation id); all requests are under way at the same time."""
    requests = [(shopper, item.send(shopper)) for shopper in shoppers]
    answers = [(shopper, request.answer()) for shopper, request in requests]
    return [(who, told.outcome, told.json.get("reservation_id", "")) for who, told in answers]


def settle(item: Item, told: list[tuple[str, str, str]]) -> dict[str, str]:
    """Shopper → reservation id of all who hold a unit; who was told pending asks for the truth."""
    held = {}
    for shopper, outcome, reservation_id in told:
        if outcome == "reserved" or (
            outcome == "pending" and item.knows(reservation_id, shopper) == "reserved"
        ):
            held[shopper] = reservation_id
    return held


def test_five_hundred_shoppers_for_a_hundred_units(shop: Shop) -> None:
    item = shop.put_up(units=UNITS)
    told = outcomes_of(item, [f"s{n}" for n in range(SHOPPERS)])
    assert set(Counter(outcome for _, outcome, _ in told)) <= {"reserved", "busy", "pending"}
    held = settle(item, told)
    assert len(held) == UNITS
    assert held_by(shop.stock.worker, item.shard.shard) == {
        shopper: [(reservation_id, 1)] for shopper, reservation_id in held.items()
    }
    assert item.shard.books().avail == 0


def test_a_hundred_shoppers_who_click_five_times_have_one_each(shop: Shop) -> None:
    item = shop.put_up(units=SHOPPERS)
    told = outcomes_of(item, [f"s{n % 100}" for n in range(SHOPPERS)])
    assert len(settle(item, told)) == 100
    assert len({reservation_id for _, _, reservation_id in told}) == 100
    assert item.shard.books().sold == 100


def test_after_sell_out_everybody_hears_it(shop: Shop) -> None:
    item = shop.put_up(units=10)
    outcomes_of(item, [f"s{n}" for n in range(30)])
    until(lambda: item.shard.mark_sold_out() == 1, "the shard is empty")
    with item.untouched():
        told = outcomes_of(item, [f"late{n}" for n in range(50)])
    assert {outcome for _, outcome, _ in told} == {"sold_out"}
