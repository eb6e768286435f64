"""An order ends once: its units are in the pool, its shard and its shopper hear of it."""

from datetime import timedelta

import pytest
import redis

from control_plane.campaigns import services as campaigns
from control_plane.inventory.models import Pool
from control_plane.orders import projection
from control_plane.orders.models import HoldRelease, LedgerEntry, LedgerKind, Order
from control_plane.orders.services import (
    PAY_WITHIN,
    end_order,
    expire_due,
    land,
    mark_released,
    pending_releases,
)

pytestmark = pytest.mark.django_db(transaction=True)

TICK = timedelta(milliseconds=1)


@pytest.fixture
def written(monkeypatch):
    """What would be written to the work Redis."""
    outcomes = []
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: outcomes.extend(some))
    return outcomes


@pytest.fixture
def order(allocation, intent, now, limit, written):
    """Two units of ann's."""
    limit(2)
    return Order.objects.get(pk=_orders(land([intent("ann", qty=2)], now))[0])


def _orders(landed):
    return [one.order_id for one in landed]


def _pool(item):
    return Pool.objects.get(item=item).unallocated


def _state(order):
    return Order.objects.get(pk=order.pk).state


def test_a_cancelled_orders_units_are_in_the_pool(item, order, now, written):
    assert end_order(order.pk, "cancelled", now) is True
    assert (_state(order), _pool(item)) == ("cancelled", 2)
    entry = LedgerEntry.objects.get(kind=LedgerKind.RETURN)
    assert (entry.order_id, entry.item_id, entry.qty) == (order.pk, item.pk, 2)
    release = HoldRelease.objects.get()
    assert (release.order, release.item_id, release.shard) == (order, item.pk, 0)
    assert (release.shopper, release.reservation_id) == ("ann", order.reservation_id)
    assert release.released_at is None


def test_its_shopper_is_told_after_the_commit(order, now, written):
    end_order(order.pk, "cancelled", now)
    (told,) = written
    assert (told.reservation_id, told.state, told.qty) == (order.reservation_id, "cancelled", 2)
    assert (told.order_id, told.sku, told.pay_by) == (order.pk, "TEA", order.pay_by)


def test_an_order_ends_once(item, order, now, written):
    end_order(order.pk, "cancelled", now)
    assert end_order(order.pk, "cancelled", now) is False
    assert end_order(order.pk, "expired", order.pay_by) is False
    assert (_state(order), _pool(item), len(written)) == ("cancelled", 2, 1)


def test_a_paid_order_does_not_end(item, order, now):
    Order.objects.update(state="paid")
    for to_state in ("cancelled", "expired"):
        assert end_order(order.pk, to_state, order.pay_by) is False
    assert (_state(order), _pool(item)) == ("paid", 0)


def test_an_order_expires_when_its_time_is_over_and_not_before(item, order, now):
    assert end_order(order.pk, "expired", order.pay_by - TICK) is False
    assert end_order(order.pk, "expired", order.pay_by) is True
    assert (_state(order), _pool(item)) == ("expired", 2)


@pytest.mark.parametrize("to_state", ["unpaid", "paid", "lost"])
def test_there_is_no_other_end(order, now, to_state):
    with pytest.raises(ValueError, match="does not end as"):
        end_order(order.pk, to_state, now)


def test_an_unknown_order_does_not_end(db, now):
    assert end_order(0, "cancelled", now) is False


def test_what_ended_can_be_sold_again_to_the_same_shopper(order, allocation, intent, now, limit):
    end_order(order.pk, "cancelled", now)
    (landed,) = land([intent("ann", key="2", qty=2)], now)
    assert landed.reason == ""


def test_all_that_are_due_expire_up_to_the_limit(item, allocation, intent, now, written):
    land([intent(f"early-{n}") for n in range(4)], now)
    land([intent(f"late-{n}") for n in range(2)], now + TICK)
    assert expire_due(now + PAY_WITHIN - TICK) == 0
    assert expire_due(now + PAY_WITHIN, limit=3) == 3
    assert expire_due(now + PAY_WITHIN, limit=3) == 1
    assert expire_due(now + PAY_WITHIN, limit=3) == 0
    assert (_pool(item), Order.objects.filter(state="unpaid").count()) == (4, 2)
    assert {one.state for one in written} == {"expired"}
    assert HoldRelease.objects.count() == len(written) == 4


def test_of_due_orders_the_paid_ones_stay(item, order, now):
    Order.objects.update(state="paid")
    assert expire_due(order.pay_by) == 0
    assert _pool(item) == 0


def test_a_quiet_second_costs_one_statement(order, now, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert expire_due(now) == 0


def test_releases_wait_until_their_shard_has_heard(allocation, intent, now, written):
    landed = land([intent(name) for name in ("ann", "bob", "cid")], now)
    holds = [one.reservation_id for one in landed]
    for step, order_id in enumerate(_orders(landed)):
        end_order(order_id, "cancelled", now + step * TICK)
    assert [release.shopper for release in pending_releases(2)] == ["ann", "bob"]
    assert mark_released(holds[:2]) == 2
    assert mark_released(holds[:2]) == 0
    assert [release.shopper for release in pending_releases(2)] == ["cid"]


def test_a_shard_that_cannot_hear_keeps_no_other_waiting(allocation, intent, now, written):
    landed = land([intent(name) for name in ("ann", "bob", "cid", "dee")], now)
    for step, order_id in enumerate(_orders(landed)):
        end_order(order_id, "cancelled", now + step * TICK)
    HoldRelease.objects.filter(shopper="dee").update(shard=5)
    assert [release.shopper for release in pending_releases(2)] == ["ann", "dee"]


def test_after_the_end_of_the_campaign_no_shard_has_to_hear(
    approved, allocation, intent, now, written
):
    first, second = _orders(land([intent("ann"), intent("bob")], now))
    end_order(first, "cancelled", now)
    campaigns.end_now(approved, None, now)
    assert pending_releases(10) == []
    end_order(second, "cancelled", now)
    assert HoldRelease.objects.count() == 1


def test_a_work_redis_that_is_away_keeps_no_order_alive(order, item, now, monkeypatch, caplog):
    def fail(work_redis, outcomes):
        raise redis.ConnectionError("away")

    monkeypatch.setattr(projection, "write", fail)
    assert end_order(order.pk, "cancelled", now) is True
    assert _pool(item) == 2
    assert "away" in caplog.text
