"""nginx workers that die or are replaced in the middle of a sale."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from tests.gateway.client import Answer
from tests.gateway.shop import Item, Shop
from tests.redis.books import held_by
from tests.redis.waiting import until

SHOPPERS_AT_ONCE = 4


@pytest.fixture(scope="module")
def workers() -> int:
    """Two, so that one is left."""
    return 2


class Crowd:
    """Threads of shoppers, each buying once after the other on a new connection."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._over = threading.Event()
        self.answers: dict[str, Answer] = {}
        self.lost: list[str] = []
        self._threads = [
            threading.Thread(target=self._shop, args=(n,), daemon=True)
            for n in range(SHOPPERS_AT_ONCE)
        ]

    def _shop(self, thread: int) -> None:
        number = 0
        while not self._over.is_set():
            shopper, number = f"s{thread}-{number}", number + 1
            try:
                self.answers[shopper] = self._item.buy(shopper)
            except (OSError, HTTPException):
                self.lost.append(shopper)

    def has_bought(self, more: int) -> Callable[[], bool]:
        """Whether so many more shoppers were answered than now."""
        enough = len(self.answers) + more
        return lambda: len(self.answers) >= enough

    @contextmanager
    def buying(self) -> Iterator[None]:
        """They buy as long as this lasts."""
        for thread in self._threads:
            thread.start()
        try:
            until(self.has_bought(20), "the sale is running")
            yield
            until(self.has_bought(20), "the sale goes on")
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def assert_each_has_one(item: Item, answers: dict[str, Answer]) -> None:
    """Everybody was told reserved, and the shard knows the same reservations and no other."""
    assert {answer.outcome for answer in answers.values()} == {"reserved"}
    assert held_by(item.shop.stock.worker, item.shard.shard) == {
        shopper: [(answer.json["reservation_id"], 1)] for shopper, answer in answers.items()
    }


def test_a_reload_in_the_middle_of_a_sale_loses_no_request(shop: Shop) -> None:
    item = shop.put_up(units=100_000)
    crowd = Crowd(item)
    with crowd.buying():
        for _ in range(2):
            shop.gateway.reload()
            until(crowd.has_bought(20), "new workers sell")
    assert crowd.lost == []
    assert_each_has_one(item, crowd.answers)


def test_after_a_reload_the_snapshot_is_there_at_once(shop: Shop) -> None:
    item = shop.put_up()
    shop.plane.stop()
    shop.gateway.reload()
    assert item.buy("ann").outcome == "reserved"
    shop.plane.start()
    shop.publish()


def test_a_worker_that_is_killed_costs_its_own_requests_and_no_unit(shop: Shop) -> None:
    item = shop.put_up(units=100_000)
    shop.gateway.expected_errors.append("exited on signal 9")
    crowd = Crowd(item)
    with crowd.buying():
        shop.gateway.kill_a_worker()
        until(crowd.has_bought(50), "the sale goes on")
    # Who got no answer asks again, and has what he may have got the first time.
    retried = {shopper: item.buy(shopper) for shopper in crowd.lost}
    assert_each_has_one(item, crowd.answers | retried)


def test_the_worker_that_polls_may_be_the_one_that_is_killed(shop: Shop) -> None:
    shop.gateway.expected_errors.append("exited on signal 9")
    for _ in range(2):
        shop.gateway.kill_a_worker()
    shop.publish()
