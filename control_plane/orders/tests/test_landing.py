"""A batch of reservations becomes orders: what fits, once, in the order it came.

`units_are_conserved` (conftest) checks I1, the allocation's count and the ledger after every test.
"""

from datetime import timedelta

import pytest
from django.db import DataError, transaction

from control_plane.campaigns.models import LIMIT_PER_SHOPPER_MAX, PRICE_MINOR_MAX, Item
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders.models import LedgerEntry, LedgerKind, Order, Rejection
from control_plane.orders.services import PAY_WITHIN, land

pytestmark = pytest.mark.django_db(transaction=True)


def _reasons(landed):
    return [one.reason for one in landed]


def test_a_reservation_becomes_an_order(allocation, intent, now):
    wanted = intent("ann")
    (landed,) = land([wanted], now)
    order = Order.objects.get()
    assert landed.order_id == order.pk
    assert (landed.fresh, landed.reason, landed.state, landed.sku) == (True, "", "unpaid", "TEA")
    assert landed.number == order.number
    assert (landed.amount_minor, landed.currency) == (1999, "CNY")
    assert (order.reservation_id, order.shopper, order.qty) == (wanted.reservation_id, "ann", 1)
    assert (order.shard, order.epoch, order.state) == (0, 1, "unpaid")
    assert (order.amount_minor, order.currency) == (1999, "CNY")
    assert (order.created_at, order.pay_by) == (now, now + PAY_WITHIN)
    assert order.reserved_at.timestamp() * 1000 == wanted.at_ms
    entry = LedgerEntry.objects.get()
    assert (entry.order_id, entry.kind, entry.qty) == (order.pk, LedgerKind.CONFIRM, 1)


def test_the_dearest_item_in_the_largest_quantity_still_lands(allocation, intent, now, limit):
    Item.objects.update(price_minor=PRICE_MINOR_MAX, limit_per_shopper=LIMIT_PER_SHOPPER_MAX)
    Pool.objects.update(total=LIMIT_PER_SHOPPER_MAX)
    Allocation.objects.update(granted=LIMIT_PER_SHOPPER_MAX)
    (landed,) = land([intent("ann", qty=LIMIT_PER_SHOPPER_MAX)], now)
    assert landed.amount_minor == PRICE_MINOR_MAX * LIMIT_PER_SHOPPER_MAX


def test_the_amount_is_price_times_quantity(allocation, intent, now, limit):
    limit(3)
    (landed,) = land([intent("ann", qty=3)], now)
    assert landed.amount_minor == 3 * 1999
    assert Order.objects.get().amount_minor == 3 * 1999


def test_the_answers_come_in_the_order_of_the_batch(allocation, intent, now):
    names = ["ann", "bob", "cid", "dan", "eve"]
    landed = land([intent(name) for name in names], now)
    assert [one.shopper for one in landed] == names


def test_nothing_lands_in_an_empty_batch(allocation, now):
    assert land([], now) == []


def test_a_repeat_gives_the_first_answer(allocation, intent, now):
    (first,) = land([intent("ann")], now)
    (second,) = land([intent("ann")], now + timedelta(minutes=1))
    assert second == first._replace(fresh=False)
    assert Order.objects.count() == 1


def test_the_same_batch_twice_changes_nothing(allocation, intent, now):
    batch = [intent(f"shopper-{n}") for n in range(12)]
    first = land(batch, now)
    second = land(batch, now + timedelta(minutes=1))
    assert second == [one._replace(fresh=False) for one in first]
    assert (Order.objects.count(), Rejection.objects.count()) == (10, 2)


def test_a_reservation_that_stands_twice_in_a_batch_is_answered_once(allocation, intent, now):
    landed = land([intent("ann"), intent("bob"), intent("ann")], now)
    assert [one.shopper for one in landed] == ["ann", "bob"]
    assert Order.objects.count() == 2


def test_a_repeat_with_other_content_gives_the_first_answer(allocation, intent, now, limit):
    limit(5)
    first = intent("ann")
    (made,) = land([first], now)
    (again,) = land([first._replace(qty=3, epoch=2, shopper="mallory")], now)
    assert again == made._replace(fresh=False)


def test_repeats_among_new_ones_take_no_room(allocation, intent, now):
    land([intent(f"shopper-{n}") for n in range(8)], now)
    landed = land([intent(f"shopper-{n}") for n in range(10)], now)
    assert [one.fresh for one in landed] == [False] * 8 + [True] * 2
    assert _reasons(landed) == [""] * 10


def test_units_beyond_the_grant_are_refused_exactly_from_there_on(allocation, intent, now):
    landed = land([intent(f"shopper-{n}") for n in range(13)], now)
    assert _reasons(landed) == [""] * 10 + ["over_granted"] * 3
    assert [one.shopper for one in landed if one.order_id] == [f"shopper-{n}" for n in range(10)]
    assert Rejection.objects.filter(reason="over_granted").count() == 3


def test_a_large_wish_that_does_not_fit_leaves_room_for_a_small_one(allocation, intent, now, limit):
    limit(10)
    wishes = [("ann", 6), ("bob", 5), ("cid", 3), ("dan", 2), ("eve", 1)]
    landed = land([intent(name, qty=qty) for name, qty in wishes], now)
    assert _reasons(landed) == ["", "over_granted", "", "over_granted", ""]
    assert Allocation.objects.get().consumed == 10


def test_a_shopper_gets_no_more_than_the_limit(allocation, intent, now):
    landed = land([intent("ann", key="1"), intent("ann", key="2")], now)
    assert _reasons(landed) == ["", "over_limit"]


def test_earlier_orders_count_towards_the_limit(allocation, intent, now, limit):
    limit(3)
    land([intent("ann", key="1", qty=2)], now)
    landed = land([intent("ann", key="2", qty=2), intent("ann", key="3", qty=1)], now)
    assert _reasons(landed) == ["over_limit", ""]


def test_an_order_that_is_not_live_does_not_count_towards_the_limit(allocation, intent, now):
    land([intent("ann", key="1")], now)
    Order.objects.update(state="expired")
    # What an expiry does with the unit: from the allocation's orders back to the pool.
    Pool.objects.update(unallocated=1)
    (landed,) = land([intent("ann", key="2")], now)
    assert landed.reason == ""


def test_a_quantity_above_the_limit_is_refused_whole(allocation, intent, now, limit):
    limit(2)
    landed = land([intent("ann", qty=3), intent("ann", key="2", qty=2)], now)
    assert _reasons(landed) == ["over_limit", ""]


def test_one_who_asks_too_much_takes_no_room_from_those_behind(allocation, intent, now):
    greedy = [intent("ann", key=str(n)) for n in range(8)]
    others = [intent(f"shopper-{n}") for n in range(9)]
    landed = land([*greedy, *others], now)
    assert _reasons(landed) == ["", *["over_limit"] * 7, *[""] * 9]


def test_a_limit_is_per_item_and_shopper(allocation, intent, now):
    landed = land([intent("ann"), intent("bob"), intent("ann", key="2")], now)
    assert _reasons(landed) == ["", "", "over_limit"]


@pytest.mark.parametrize("other", [{"epoch": 2}, {"shard": 1}, {"item": 999_999}])
def test_an_allocation_nobody_opened_confirms_nothing(allocation, intent, now, other):
    (landed,) = land([intent("ann", **other)], now)
    assert landed.reason == "no_allocation"
    assert Order.objects.count() == 0


def test_refusals_do_not_keep_the_rest_of_the_batch_from_landing(allocation, intent, now):
    batch = [intent("ann", epoch=7), intent("bob"), intent("bob", key="2"), intent("cid")]
    assert _reasons(land(batch, now)) == ["no_allocation", "", "over_limit", ""]


def test_a_rejection_stands_even_when_there_is_room_later(allocation, intent, now):
    (first,) = land([intent("ann", epoch=2)], now)
    Allocation.objects.create(item_id=first.item, shard=1, epoch=2)
    (second,) = land([intent("ann", epoch=2)], now + timedelta(minutes=1))
    assert second == first._replace(fresh=False)


def test_it_refuses_to_run_inside_a_transaction(allocation, intent, now):
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        land([intent("ann")], now)


def test_a_batch_that_fails_leaves_nothing_behind(allocation, intent, now):
    unreadable = intent("bob")._replace(shopper="x" * 65)
    with pytest.raises(DataError, match="too long"):
        land([intent("ann"), unreadable], now)
    assert Order.objects.count() == 0
    (landed,) = land([intent("ann")], now)
    assert landed.fresh
