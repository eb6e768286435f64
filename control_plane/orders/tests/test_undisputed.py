"""What nothing can be said against becomes an order at once; everything else is judged.

`units_are_conserved` (conftest) checks the books after every test.
"""

import pytest
from django.db import IntegrityError

from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from control_plane.orders import landing, undisputed
from control_plane.orders.models import LedgerEntry, Order, Rejection
from control_plane.orders.services import land

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def judged(monkeypatch):
    """The shoppers whose reservations came to a round."""
    shoppers: set[str] = set()
    real_round = landing._round

    def note(cursor, waiting, *rest):
        shoppers.update(one.shopper for one in waiting.values())
        return real_round(cursor, waiting, *rest)

    monkeypatch.setattr(landing, "_round", note)
    return shoppers


def _reasons(landed):
    return [one.reason for one in landed]


def test_shoppers_without_an_order_are_not_judged(allocation, intent, now, judged):
    landed = land([intent(f"shopper-{n}") for n in range(10)], now)
    assert _reasons(landed) == [""] * 10
    assert judged == set()


def test_who_asks_twice_within_the_limit_is_not_judged(allocation, intent, now, limit, judged):
    limit(3)
    landed = land([intent("ann"), intent("ann", key="2", qty=2)], now)
    assert (_reasons(landed), judged) == (["", ""], set())
    assert sorted(LedgerEntry.objects.values_list("qty", flat=True)) == [1, 2]


def test_rows_that_are_written_while_postgresql_takes_them_are_whole(
    allocation, intent, now, limit, judged, monkeypatch
):
    monkeypatch.setattr(undisputed, "_ROWS_A_PIECE", 2)
    limit(2)
    landed = land([intent(f"shopper-{n}", qty=1 + n % 2) for n in range(5)], now)
    assert [(one.shopper, one.qty) for one in landed] == [
        (f"shopper-{n}", 1 + n % 2) for n in range(5)
    ]
    fields = ("reservation_id", "shopper", "qty", "id", "amount_minor")
    made = list(Order.objects.order_by("id").values_list(*fields))
    assert made == [
        (one.reservation_id, one.shopper, one.qty, one.order_id, one.amount_minor) for one in landed
    ]
    assert judged == set()


def test_what_is_wrong_with_writing_the_rows_is_not_taken_for_an_outage(
    allocation, intent, now, monkeypatch
):
    def broken(self, second):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(undisputed._Seconds, "__missing__", broken)
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        land([intent("ann")], now)
    assert not Order.objects.exists()


def test_only_who_has_an_order_or_asks_too_much_is_judged(allocation, intent, now, judged):
    land([intent("ann")], now)
    batch = [intent("bob"), intent("ann", key="2"), intent("cid"), intent("cid", key="2")]
    landed = land([*batch, intent("dan")], now)
    assert _reasons(landed) == ["", "over_limit", "", "over_limit", ""]
    assert judged == {"ann", "cid"}


def test_when_not_all_fit_each_is_judged(allocation, intent, now, judged):
    landed = land([intent(f"shopper-{n}") for n in range(11)], now)
    assert _reasons(landed) == [""] * 10 + ["over_granted"]
    assert len(judged) == 11


def test_an_allocation_that_is_too_small_does_not_hold_up_another(
    allocation, intent, now, open_epoch, judged
):
    other = Item.objects.create(
        campaign=allocation.item.campaign, sku="CUP", title="Cup", units=1, price_minor=500
    )
    inventory.open_pool(other)
    open_epoch(of=other, units=1)
    of_other = [intent(name, item=other.pk) for name in ("bob", "cid")]
    landed = land([intent("ann"), *of_other, intent("dan")], now)
    assert _reasons(landed) == ["", "", "over_granted", ""]
    assert judged == {"bob", "cid"}
    made = Order.objects.order_by("amount_minor").values_list("shopper", "amount_minor")
    assert list(made) == [("bob", 500), ("ann", 1999), ("dan", 1999)]


def test_one_who_asks_in_two_epochs_gets_no_more_than_the_limit(
    allocation, intent, now, open_epoch, judged
):
    inventory.settle_reclaim(inventory.begin_reclaim(allocation.pk, 4, 0).pk, 4)
    rearm = inventory.begin_rearm(allocation.pk, "fast", "test")
    inventory.advance(rearm.pk, "fenced", "disarmed")
    open_epoch(units=4)
    landed = land([intent("ann"), intent("ann", key="2", epoch=2)], now)
    assert _reasons(landed) == ["", "over_limit"]
    assert judged == {"ann"}


def test_a_reservation_that_stands_under_another_name_gets_its_first_answer(
    allocation, intent, now, judged
):
    (first,) = land([intent("ann")], now)
    again = intent("ann")._replace(shopper="bob")
    landed = land([again, intent("cid")], now)
    assert landed[0] == first._replace(fresh=False)
    assert _reasons(landed) == ["", ""]
    assert judged == {"bob", "cid"}


def test_what_was_refused_before_stays_refused(allocation, intent, now, judged):
    Rejection.objects.create(
        reservation_id=intent("ann").reservation_id,
        item_id=allocation.item_id,
        shard=0,
        epoch=1,
        shopper="ann",
        qty=1,
        reason="over_granted",
        created_at=now,
    )
    landed = land([intent("ann"), intent("bob")], now)
    assert _reasons(landed) == ["over_granted", ""]
    assert judged == {"ann"}


def test_control_without_the_look_at_rejections_both_answers_stand(
    allocation, intent, now, monkeypatch
):
    land([intent("ann", epoch=7)], now)
    monkeypatch.setattr(undisputed, "_REJECTED", "SELECT %s WHERE false")
    (landed,) = land([intent("ann")], now)
    assert landed.reason == ""
    assert Rejection.objects.exists()


def test_what_the_database_refuses_for_its_content_is_still_an_error(allocation, intent, now):
    with pytest.raises(IntegrityError, match="order_qty_positive"):
        land([intent("ann", qty=0)], now)
    assert not Order.objects.exists()
