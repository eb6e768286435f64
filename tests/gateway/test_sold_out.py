"""After the last unit: most are refused out of the worker's memory, nobody with an untruth."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.gateway.test_reserved import assert_reserved
from tests.redis.waiting import until

AGAIN = {"Purchase-Retry": "1"}
# What the worker believes, and the second for which the script does.
BELIEVED_S, MARK_S = 0.25, 1.0


@pytest.fixture(scope="module")
def settings() -> Settings:
    """All as in production."""
    return {}


@pytest.fixture
def item(shop: Shop) -> Item:
    """One that is sold out, to ann, and marked so."""
    item = shop.put_up(units=1)
    assert_reserved(item.buy("ann"), item)
    item.shard.mark_sold_out()
    return item


@pytest.fixture
def calls(shop: Shop) -> Callable[[], int]:
    """How many script calls Redis has answered."""

    def count() -> int:
        stats = shop.stock.operator.info("commandstats")
        return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))

    return count


def test_it_is_answered_without_asking_redis(item: Item, calls: Callable[[], int]) -> None:
    assert_refused(item.buy("bob"), "sold_out")
    asked = calls()
    for number in range(20):
        assert_refused(item.buy(f"shopper-{number}"), "sold_out")
    assert calls() - asked <= 1


def test_nothing_else_is_looked_at(item: Item) -> None:
    assert_refused(item.buy("bob"), "sold_out")
    assert_refused(item.buy("bob", b"rubbish", headers={"Authorization": "none"}), "sold_out")


def test_such_answers_are_counted_and_not_logged(item: Item, shop: Shop) -> None:
    """A flood of them would fill the disk."""
    for number in range(20):
        assert_refused(item.buy(f"shopper-{number}"), "sold_out")
    item.buy("ann", headers=AGAIN)

    def lines() -> list[str]:
        text = shop.gateway.access_log()
        return [line for line in text.splitlines() if f'"item":"{item.id}"' in line]

    until(lambda: any('"outcome":"reserved"' in line for line in lines()[1:]), "ann is logged")
    assert sum('"outcome":"sold_out"' in line for line in lines()) <= 2
    assert all('"route":"buy"' in line for line in lines())


def test_a_winner_who_asks_again_hears_that_it_is_his(item: Item) -> None:
    assert_refused(item.buy("bob"), "sold_out")
    assert_reserved(item.buy("ann", headers=AGAIN), item)


def test_who_asks_again_and_has_nothing_hears_the_same(item: Item) -> None:
    assert_refused(item.buy("bob"), "sold_out")
    item.shard.mark_sold_out()
    assert_refused(item.buy("bob", headers=AGAIN), "sold_out")


def test_asking_again_is_no_way_around_the_checks(item: Item) -> None:
    assert_refused(item.buy("bob"), "sold_out")
    with item.untouched():
        answer = item.buy("bob", headers={**AGAIN, "Authorization": "Bearer none"})
        assert_refused(answer, "bad_token")


def test_another_item_is_not_meant(shop: Shop, item: Item) -> None:
    other = shop.put_up(units=1)
    assert_refused(item.buy("bob"), "sold_out")
    assert_reserved(other.buy("bob"), other)


def test_an_empty_shard_is_not_remembered_as_sold_out(shop: Shop) -> None:
    item = shop.put_up(units=1)
    item.buy("ann")
    assert_refused(item.buy("bob"), "busy")
    item.shard.grant(1)
    assert_reserved(item.buy("bob"), item)


def test_too_few_for_one_shopper_are_not_remembered_as_none(shop: Shop) -> None:
    item = shop.put_up(units=1, limit=3)
    item.shard.mark_sold_out(left=1)
    assert_refused(item.buy("ann", b'{"qty":2}'), "sold_out")
    assert_reserved(item.buy("bob"), item)


def test_returned_units_are_sold_again(item: Item) -> None:
    assert_refused(item.buy("bob"), "sold_out")
    item.shard.grant(1)
    since = time.monotonic()
    until(lambda: item.buy("bob").status == 200, "it is on sale again", pause_s=0.01)
    assert time.monotonic() - since < BELIEVED_S + MARK_S + 0.5


def test_a_crowd_that_comes_too_late_hardly_reaches_redis(
    item: Item, calls: Callable[[], int]
) -> None:
    asked, rounds = calls(), 200
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda n: item.buy(f"late-{n}"), range(rounds)))
    assert {answer.json["code"] for answer in answers} <= {"sold_out", "busy"}
    assert calls() - asked < rounds / 4
