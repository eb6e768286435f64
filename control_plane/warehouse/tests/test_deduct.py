"""Orders leave the shelf once, however often and in whatever order they are reported."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connections

from control_plane.warehouse import services
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import Movement, move, stock_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

DEADLINE_S = 30


@pytest.fixture(autouse=True)
def the_books_add_up():
    """After every test: what is missing on the shelf is what the ledger says."""
    yield
    for stock in Stock.objects.all():
        entries = StockEntry.objects.filter(sku=stock.sku)
        put_in = 10 if stock.sku in ("TEA", "CUP") else 0
        assert stock.on_hand == put_in - sum(entry.qty for entry in entries), stock.sku


@pytest.fixture
def shelf():
    stock_in("TEA", 10)
    stock_in("CUP", 10)


def _line(order_id, sku="TEA", qty=1):
    return Movement(order_id, sku, 7, qty, f"shopper-{order_id}")


def _on_hand(sku):
    return Stock.objects.get(pk=sku).on_hand


def test_units_come_in_and_add_up():
    stock_in("TEA", 4)
    stock_in("TEA", 6)
    assert _on_hand("TEA") == 10


def test_an_order_leaves_the_shelf(shelf, now):
    (done,) = move([_line(1, qty=3)], now)
    assert (done.order_id, done.sku, done.qty, done.shopper) == (1, "TEA", 3, "shopper-1")
    assert (done.created_at, done.fresh) == (now, True)
    assert _on_hand("TEA") == 7
    entry = StockEntry.objects.get()
    assert (entry.order_id, entry.kind, entry.item_id, entry.qty) == (1, "deduct", 7, 3)


def test_a_batch_of_several_skus_is_counted_per_sku(shelf, now):
    move([_line(1), _line(2, "CUP", 2), _line(3, qty=4)], now)
    assert (_on_hand("TEA"), _on_hand("CUP")) == (5, 8)


def test_a_repeat_takes_nothing_and_gives_the_first_answer(shelf, now):
    (first,) = move([_line(1, qty=3)], now)
    (second,) = move([_line(1, qty=3)], now + timedelta(minutes=1))
    assert second == first._replace(fresh=False)
    assert _on_hand("TEA") == 7


def test_an_order_that_stands_twice_in_a_batch_is_taken_once(shelf, now):
    done = move([_line(1), _line(2), _line(1)], now)
    assert [one.order_id for one in done] == [1, 2]
    assert _on_hand("TEA") == 8


def test_old_and_new_orders_may_come_in_one_batch(shelf, now):
    move([_line(2)], now)
    done = move([_line(1), _line(2), _line(3)], now)
    assert [one.fresh for one in done] == [True, False, True]
    assert _on_hand("TEA") == 7


def test_a_sku_the_shelf_never_had_goes_below_zero(now):
    move([_line(1, "GHOST", 2)], now)
    assert _on_hand("GHOST") == -2


def test_nothing_is_taken_for_an_empty_batch(now):
    assert move([], now) == []


def test_batches_in_opposite_order_count_every_order_once(shelf, now, at_once):
    lines = [_line(number, "TEA" if number % 2 else "CUP") for number in range(1, 11)]
    outcomes = at_once([lambda: move(lines, now), lambda: move(lines[::-1], now)] * 2)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert sum(one.fresh for outcome in outcomes for one in outcome) == 10
    assert (_on_hand("TEA"), _on_hand("CUP")) == (5, 5)


def test_control_rows_taken_in_the_order_of_the_batch_deadlock(shelf, now, at_once):
    both_hold_one = threading.Barrier(2)

    def one_by_one(lines):
        connection = connections["inventory"]
        connection.set_autocommit(False)
        try:
            for number, line in enumerate(lines):
                with connection.cursor() as cursor:
                    columns = services._columns({(line.order_id, line.kind): line})
                    cursor.execute(services._MOVE, columns | {"now": now})
                if number == 0:
                    both_hold_one.wait(DEADLINE_S)
            connection.commit()
        finally:
            connection.rollback()
            connection.set_autocommit(True)

    lines = [_line(1), _line(2, "CUP")]
    outcomes = at_once([lambda: one_by_one(lines), lambda: one_by_one(lines[::-1])])
    errors = [outcome for outcome in outcomes if isinstance(outcome, OperationalError)]
    assert len(errors) == 1
    assert "deadlock detected" in str(errors[0])
