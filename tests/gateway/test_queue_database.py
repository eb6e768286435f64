"""The queue while the database sells: who says that he asks again is looked up, never believed."""

from collections.abc import Callable, Iterator

import pytest

from tests.gateway.control_plane import ControlPlane
from tests.gateway.database import Database
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop, listed
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import AGAIN, Called, WaitingLine, put_in_line
from tests.redis.waiting import until

STOCK = {"source": "database", "generation": 1, "lease_ms": 2000}
EPOCH, UNITS = 7, 10


@pytest.fixture
def database(plane: ControlPlane) -> Iterator[Database]:
    """What the control plane sells from."""
    yield plane.database
    plane.database.fault = None


@pytest.fixture
def lined(shop: Shop, database: Database) -> Callable[..., WaitingLine]:
    """A function: an item that the database sells, with a queue served until `served`."""

    def put_up(served: int = 0) -> WaitingLine:
        shop.document["stock"] = STOCK
        line = put_in_line(shop, armed=False, units=UNITS, served=served)
        database.sell(line.item.id, 0, EPOCH, UNITS)
        shop.change(line.item, shards=[listed(0, EPOCH, "", "database")])
        return line

    return put_up


def sell_out(line: WaitingLine, served: int) -> None:
    line.move(Called(served, 0), sold_out=True)


def hears_sold_out(line: WaitingLine, served: int) -> None:
    """Return when the worker has heard that nothing is left."""

    def heard() -> bool:
        sell_out(line, served)
        return line.buy("first-of-all").status == 410

    until(heard, "the worker has heard it")
    sell_out(line, served)


def test_the_header_lets_nobody_past_the_queue(
    lined: Callable[..., WaitingLine], database: Database
) -> None:
    line = lined()
    ticket = line.queued("robot", headers=AGAIN)["ticket"]
    line.queued("robot", ticket, headers=AGAIN)
    line.move(Called(1, 1))
    new = until(
        lambda: (told := line.queued("robot", ticket, headers=AGAIN)["ticket"]) != ticket and told,
        "its place is gone",
    )
    hears_sold_out(line, 1)
    assert_refused(line.buy("robot", new, headers=AGAIN), "sold_out")
    sell_out(line, 1)
    assert_refused(line.buy("another", headers=AGAIN), "sold_out")
    assert database.units[line.item.id] == UNITS


def test_a_winner_whose_answer_was_lost_gets_it(
    lined: Callable[..., WaitingLine], database: Database
) -> None:
    line = lined(served=1)
    first = line.buy("ann")
    assert_reserved(first, line.item)
    assert line.buy("ann", headers=AGAIN).body == first.body
    hears_sold_out(line, 1)
    assert line.buy("ann", headers=AGAIN).body == first.body
    assert database.units[line.item.id] == UNITS - 1


def test_while_nobody_can_say_he_waits_and_hears_no_untruth(
    lined: Callable[..., WaitingLine], database: Database
) -> None:
    line = lined(served=1)
    assert_reserved(line.buy("ann"), line.item)
    database.fault = lambda _: None
    ticket = line.queued("robot", headers=AGAIN)["ticket"]
    hears_sold_out(line, 1)
    for shopper, shown in (("ann", None), ("robot", None), ("robot", ticket)):
        sell_out(line, 1)
        assert_refused(line.buy(shopper, shown, headers=AGAIN), "busy")
    database.fault = None
    assert database.units[line.item.id] == UNITS - 1


def test_a_purchase_under_another_key_is_not_the_one_that_won(
    lined: Callable[..., WaitingLine],
) -> None:
    line = lined(served=1)
    assert_reserved(line.buy("ann"), line.item)
    line.queued("ann", headers=AGAIN | {"Idempotency-Key": "another"})
