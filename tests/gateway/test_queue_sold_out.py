"""At the end all hear it at once; and while nobody can know, nobody hears it."""

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import AGAIN, Called, WaitingLine, put_in_line
from tests.redis.waiting import until


@pytest.fixture(scope="module")
def settings() -> Settings:
    """A call that is not answered is given up soon."""
    return {"SLUICE_RESERVE_TIMEOUT_MS": "500"}


@pytest.fixture
def line(shop: Shop) -> Iterator[WaitingLine]:
    """Ann has bought the only unit, cem and dan wait."""
    line = put_in_line(shop, units=1, served=1)
    assert_reserved(line.buy("ann"), line.item)
    yield line
    shop.stock.thaw()


def sell_out(line: WaitingLine) -> None:
    line.move(Called(1, 0), sold_out=True)


def test_everybody_who_waits_hears_it_whatever_his_place(line: WaitingLine) -> None:
    tickets = {f"s{n}": line.queued(f"s{n}")["ticket"] for n in range(5)}
    sell_out(line)
    until(lambda: line.buy("s0", tickets["s0"]).status == 410, "the worker has heard it")
    for shopper, ticket in tickets.items():
        sell_out(line)
        assert_refused(line.buy(shopper, ticket), "sold_out")


def test_who_comes_then_hears_it_and_takes_no_number(line: WaitingLine) -> None:
    line.queued("bob")
    sell_out(line)
    until(lambda: line.buy("cem").status == 410, "the worker has heard it")
    numbers = line.look().numbers
    for n in range(10):
        sell_out(line)
        assert_refused(line.buy(f"s{n}"), "sold_out")
    assert line.look().numbers[0] - numbers[0] <= 1


def test_a_winner_whose_answer_was_lost_hears_that_it_is_his(line: WaitingLine) -> None:
    sell_out(line)
    until(lambda: line.buy("cem").status == 410, "the worker has heard it")
    sell_out(line)
    with line.item.untouched():
        assert line.buy("ann", headers=AGAIN).outcome == "reserved"


def test_the_header_does_not_lead_past_the_queue(line: WaitingLine) -> None:
    """A unit comes back while the mark still stands: it is for the next ticket."""
    ticket = line.queued("bob")["ticket"]
    sell_out(line)
    line.item.shard.grant(1)
    with line.item.untouched():
        assert_refused(line.buy("robot", headers=AGAIN), "sold_out")
    line.move(Called(2, 0))
    until(lambda: line.buy("bob", ticket).status == 200, "bob gets it")


def test_a_mark_that_is_taken_away_ends_it(line: WaitingLine) -> None:
    ticket = line.queued("bob")["ticket"]
    sell_out(line)
    until(lambda: line.buy("bob", ticket).status == 410, "bob hears it")
    line.move(Called(1, 0))
    until(lambda: line.buy("bob", ticket).status == 202, "bob waits again")


def test_a_mark_that_nobody_repeats_ends_by_itself(line: WaitingLine) -> None:
    """The controller died: its last mark must not stand for ever."""
    ticket = line.queued("bob")["ticket"]
    sell_out(line)
    until(lambda: line.buy("bob", ticket).status == 410, "bob hears it")
    until(lambda: line.buy("bob", ticket).status == 202, "bob waits again")


def test_an_old_mark_is_not_believed_while_redis_is_silent(line: WaitingLine, shop: Shop) -> None:
    ticket = line.queued("bob")["ticket"]
    sell_out(line)
    until(lambda: line.buy("bob", ticket).status == 410, "bob hears it")
    shop.stock.freeze()
    until(lambda: line.buy("bob", ticket).status == 202, "bob waits: nobody knows")


def test_a_frozen_redis_is_never_sold_out(line: WaitingLine, shop: Shop) -> None:
    ticket = line.queued("bob")["ticket"]
    shop.stock.freeze()
    told = line.queued("bob", ticket)
    assert told["ticket"] == ticket
    assert told["retry_after_ms"] >= 300
    assert_refused(line.buy("cem"), "busy")
    shop.stock.thaw()
    until(lambda: line.buy("cem").status == 202, "numbers are handed out again")


def test_a_queue_that_nobody_opened_sells_nothing(shop: Shop) -> None:
    line = WaitingLine(shop, shop.put_up(), ("regular",), "fifo")
    line.publish()
    with line.item.untouched():
        assert_refused(line.buy("ann"), "busy")
        assert_refused(line.buy("ann"), "busy")


def test_in_another_life_no_number_is_handed_out(shop: Shop) -> None:
    """Restarted, promoted: the counter may be an older one."""
    line = put_in_line(shop)
    ticket = line.queued("ann")["ticket"]
    shop.stock.operator.hset(line.keys.ctl, "life", "f" * 40)
    assert_refused(line.buy("bob"), "busy")
    assert line.queued("ann", ticket)["ticket"] == ticket
