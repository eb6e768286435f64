"""What ends goes back onto the shelf, once, whichever of its two events comes first."""

import random

import pytest

from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import RESTORE, Movement, move, stock_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])


@pytest.fixture
def shelf():
    stock_in("TEA", 100)


def _out(order_id, qty=1):
    return Movement(order_id, "TEA", 7, qty, f"shopper-{order_id}")


def _back(order_id, qty=1):
    return _out(order_id, qty)._replace(kind=RESTORE)


def _on_hand():
    return Stock.objects.get().on_hand


def test_an_order_that_ended_is_back_on_the_shelf(shelf, now):
    move([_out(1, 3)], now)
    (back,) = move([_back(1, 3)], now)
    assert (back.kind, back.qty, back.fresh, back.created_at) == ("restore", 3, True, now)
    assert _on_hand() == 100


def test_a_repeat_puts_nothing_back_and_gives_the_first_answer(shelf, now):
    first = move([_out(1), _back(1)], now)
    assert move([_back(1), _out(1)], now) == [one._replace(fresh=False) for one in reversed(first)]
    assert (_on_hand(), StockEntry.objects.count()) == (100, 2)


def test_an_end_that_comes_before_its_beginning_is_counted_all_the_same(shelf, now):
    move([_back(1, 2)], now)
    assert _on_hand() == 102
    move([_out(1, 2)], now)
    assert _on_hand() == 100


@pytest.mark.parametrize("seed", range(5))
def test_in_whatever_order_and_however_often_the_sum_is_the_same(shelf, now, seed):
    rng = random.Random(seed)
    told = [_out(n) for n in range(1, 21)] + [_back(n) for n in range(1, 11)]
    told += rng.choices(told, k=20)
    rng.shuffle(told)
    while told:
        size = rng.randrange(1, 10)
        move(told[:size], now)
        told = told[size:]
    assert (_on_hand(), StockEntry.objects.count()) == (90, 30)


def test_batches_in_opposite_order_at_once_count_everything_once(shelf, now, at_once):
    told = [one for n in range(1, 11) for one in (_out(n), _back(n))]
    outcomes = at_once([lambda: move(told, now), lambda: move(told[::-1], now)] * 2)
    assert not [one for one in outcomes if isinstance(one, Exception)]
    assert sum(one.fresh for some in outcomes for one in some) == 20
    assert _on_hand() == 100
