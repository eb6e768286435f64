"""What a campaign says about paying: how long it may take, and whether there is another turn."""

from datetime import timedelta

import pytest

from control_plane.campaigns.models import Campaign
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders import projection
from control_plane.orders.database import units_of
from control_plane.orders.models import HoldRelease, Order, OrderEvent
from control_plane.orders.services import (
    NotOrderedAgain,
    end_order,
    land,
    order_again,
    pay_order,
    pending_releases,
    unanswered,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def one_turn(item):
    """Who does not pay in time has had his turn."""
    Campaign.objects.filter(items=item).update(buys_again=False)


def _land(intent, now, name="ann", **more):
    (landed,) = land([intent(name, **more)], now)
    return landed


def _buyers(item):
    rows = inventory.decided_buyers(item.pk, 0)
    return {reservation_id: qty for _, reservation_id, qty in rows}


def test_the_campaign_says_how_long_an_order_may_stay_unpaid(item, allocation, intent, now):
    Campaign.objects.filter(items=item).update(pay_minutes=3)
    landed = _land(intent, now)
    assert landed.pay_by == now + timedelta(minutes=3)
    assert Order.objects.get().pay_by == landed.pay_by


def test_an_order_is_paid_once_and_never_after_its_end(allocation, intent, now):
    first, second = _land(intent, now), _land(intent, now, "bob")
    assert [pay_order(first.order_id, now), pay_order(first.order_id, now)] == [True, False]
    assert end_order(first.order_id, "cancelled", now) is False
    end_order(second.order_id, "cancelled", now)
    assert pay_order(second.order_id, now) is False
    told = list(OrderEvent.objects.order_by("pk").values_list("order_id", "type"))
    assert told == [(first.order_id, "order.paid"), (second.order_id, "order.cancelled")]


def test_an_order_is_paid_until_it_has_expired_however_late_that_is(allocation, intent, now):
    landed = _land(intent, now)
    assert pay_order(landed.order_id, landed.pay_by + timedelta(hours=1)) is True


def test_with_one_turn_an_expired_order_goes_on_counting(one_turn, allocation, intent, now, item):
    landed = _land(intent, now)
    end_order(landed.order_id, "expired", landed.pay_by)
    assert not HoldRelease.objects.exists()
    assert units_of(item.pk, {"ann"}) == {"ann": 1}
    assert _buyers(item) == {landed.reservation_id: 1}
    assert _land(intent, now, key="again").reason == "over_limit"


def test_with_one_turn_a_cancelled_order_counts_no_more(one_turn, allocation, intent, now, item):
    landed = _land(intent, now)
    end_order(landed.order_id, "cancelled", now)
    assert HoldRelease.objects.count() == 1
    assert units_of(item.pk, {"ann"}) == {}
    assert _buyers(item) == {landed.reservation_id: 0}
    assert _land(intent, now, key="again").reason == ""


def test_with_another_turn_an_expired_order_counts_no_more(allocation, intent, now, item):
    landed = _land(intent, now)
    end_order(landed.order_id, "expired", landed.pay_by)
    assert HoldRelease.objects.count() == 1
    assert units_of(item.pk, {"ann"}) == {}
    assert _buyers(item) == {landed.reservation_id: 0}
    assert _land(intent, now, key="again").reason == ""


@pytest.mark.parametrize("buys_again", [True, False])
def test_an_order_of_late_money_counts_in_its_place_and_its_shard_goes_on_counting_it(
    allocation, intent, now, item, buys_again
):
    from django.db import transaction

    Campaign.objects.filter(items=item).update(buys_again=buys_again)
    landed = _land(intent, now)
    end_order(landed.order_id, "expired", landed.pay_by)
    with transaction.atomic():
        again = order_again(landed.order_id, landed.pay_by)
    assert units_of(item.pk, {"ann"}) == {"ann": 1}
    assert _buyers(item) == {landed.reservation_id: 0, again.reservation_id: 1}
    # Between two messages to the shard he could have been told "yours" once more.
    assert pending_releases(10) == []
    assert _land(intent, now, key="more").reason == "over_limit"
    with pytest.raises(NotOrderedAgain), transaction.atomic():
        order_again(landed.order_id, landed.pay_by)


def test_a_settled_campaign_takes_no_late_reservation(allocation, intent, now, item, close):
    close(allocation)
    assert Pool.objects.get(item=item).unallocated == 10
    Campaign.objects.filter(items=item).update(settled_at=now)
    assert _land(intent, now).reason == "closed_epoch"
    assert not Order.objects.exists()


def test_what_the_warehouse_has_not_answered_is_counted(allocation, intent, now, item):
    landed = _land(intent, now)
    end_order(landed.order_id, "cancelled", now)
    before, after = now - timedelta(hours=1), now
    assert unanswered(before, after) == 2
    assert unanswered(before, before) == 0
    assert Allocation.objects.get().consumed == 1
