"""After the end: once nothing moves any more the totals are written, once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from control_plane.campaigns import services as campaigns
from control_plane.campaigns import settling, tasks
from control_plane.campaigns.models import Campaign, Settlement
from control_plane.dead_letters.services import Letter, keep, retry_due
from control_plane.dead_letters.tests.conftest import message
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool, Rearm
from control_plane.orders import projection
from control_plane.orders.models import Order
from control_plane.orders.services import end_order, land, pay_order
from control_plane.orders.tests.conftest import allocation, intent

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["allocation", "intent"]


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def orders(allocation, intent, now):
    """Four units in orders, six left in the shard."""
    return [one.order_id for one in land([intent(f"shopper-{n}") for n in range(4)], now)]


@pytest.fixture
def end(item, now):
    """End the campaign, and bring its epochs to their end as the agent does."""

    def run():
        campaigns.end_now(item.campaign, None, now)
        for rearm in Rearm.objects.exclude(stage="closed"):
            inventory.advance(rearm.pk, "fenced", "disarmed")
            inventory.advance(rearm.pk, "disarmed", "drained")
            inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=1)
            inventory.close_epoch(rearm.pk)

    return run


def _decide(orders, now):
    pay_order(orders[0], now)
    pay_order(orders[1], now)
    end_order(orders[2], "cancelled", now)
    end_order(orders[3], "expired", now + timedelta(days=1))


def test_the_totals_are_written_once_everything_is_decided(orders, end, now, item):
    end()
    _decide(orders, now)
    assert settling.settle_due(now) == 1
    assert settling.settle_due(now) == 0
    assert Campaign.objects.get().settled_at == now
    totals = Settlement.objects.get()
    assert (totals.item, totals.units, totals.sold, totals.left) == (item, 10, 2, 8)
    assert (totals.amount_minor, totals.currency) == (2 * 1999, "CNY")
    counts = (totals.orders_paid, totals.orders_expired, totals.orders_cancelled)
    assert (counts, totals.rejections) == ((2, 1, 1), 0)
    assert Pool.objects.get().unallocated == 8


def test_a_campaign_that_runs_is_not_settled(orders, now):
    _decide(orders, now)
    assert settling.settle_due(now + timedelta(days=9)) == 0


def test_an_order_that_may_still_be_paid_keeps_the_books_open(orders, end, now):
    end()
    assert settling.settle_due(now) == 0
    _decide(orders, now)
    assert settling.settle_due(now) == 1


def test_an_epoch_that_is_not_closed_keeps_the_books_open(orders, item, now):
    campaigns.end_now(item.campaign, None, now)
    _decide(orders, now)
    assert Allocation.objects.get().state == "draining"
    assert settling.settle_due(now) == 0


def test_a_dead_letter_keeps_the_books_open_until_it_is_done(orders, end, now, item):
    end()
    _decide(orders, now)
    payload = message(item.pk, "late")
    keep([Letter("reservations", "r", "r", 0, 1, payload, "refused", "no")], now)
    assert settling.settle_due(now) == 0
    retry_due(now + timedelta(minutes=1))
    (late,) = Order.objects.filter(shopper="late")
    end_order(late.pk, "cancelled", now)
    assert settling.settle_due(now) == 1


def test_books_that_do_not_balance_are_left_for_people(orders, end, now, caplog):
    end()
    _decide(orders, now)
    Pool.objects.update(unallocated=7)
    assert settling.settle_due(now) == 0
    assert "not settled" in caplog.text
    assert not Settlement.objects.exists()


def test_two_who_settle_at_once_write_the_totals_once(orders, end, now, at_once):
    end()
    _decide(orders, now)
    assert sorted(at_once([lambda: settling.settle_due(now)] * 3)) == [0, 0, 1]
    assert Settlement.objects.count() == 1


def test_the_task_leaves_the_work_to_one_that_is_at_it(orders, end, now, at_once):
    end()
    _decide(orders, now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [tasks.SETTLE_LOCK])
        assert at_once([tasks.settle_campaigns]) == [None]
        assert not Settlement.objects.exists()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [tasks.SETTLE_LOCK])
    assert at_once([tasks.settle_campaigns] * 2) == [None, None]
    assert Settlement.objects.count() == 1


def test_totals_are_never_changed(orders, end, now):
    end()
    _decide(orders, now)
    settling.settle_due(now)
    with pytest.raises(IntegrityError, match="append-only"):
        Settlement.objects.update(sold=0)
