"""Expiry by the clock: every second, by one process at a time, a backlog in steps."""

import dataclasses
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from control_plane.config import schedule
from control_plane.config.celery import app
from control_plane.inventory.models import Pool
from control_plane.orders import projection, services, tasks
from control_plane.orders.models import Order
from control_plane.orders.services import PAY_WITHIN, land

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def due(allocation, intent, now, monkeypatch):
    """Ten orders, and the clock at the end of their time."""
    land([intent(f"shopper-{n}") for n in range(10)], now)
    monkeypatch.setattr(timezone, "now", lambda: now + PAY_WITHIN)


def _unpaid():
    return Order.objects.filter(state="unpaid").count()


def test_the_task_expires_all_that_is_due(due):
    tasks.expire_orders()
    assert (_unpaid(), Pool.objects.get().unallocated) == (0, 10)


def test_within_the_grace_money_that_is_on_its_way_pays_the_order(due, monkeypatch, now):
    patient = dataclasses.replace(settings.ENV, late_money_grace_s=30)
    monkeypatch.setattr(settings, "ENV", patient)
    tasks.expire_orders()
    assert _unpaid() == 10
    paid = Order.objects.order_by("pk")[0]
    assert services.pay_order(paid.pk, now + PAY_WITHIN + timedelta(seconds=29))
    monkeypatch.setattr(timezone, "now", lambda: now + PAY_WITHIN + timedelta(seconds=30))
    tasks.expire_orders()
    assert (_unpaid(), Pool.objects.get().unallocated) == (0, 9)
    paid.refresh_from_db()
    assert paid.state == "paid"


def test_a_run_ends_after_its_share(due, monkeypatch):
    monkeypatch.setattr(tasks, "ORDERS_A_STEP", 2)
    monkeypatch.setattr(tasks, "ORDERS_A_RUN", 6)
    tasks.expire_orders()
    assert _unpaid() == 4


def test_the_task_leaves_the_work_to_one_that_is_at_it(due, at_once):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [tasks.EXPIRE_LOCK])
        assert at_once([tasks.expire_orders]) == [None]
        assert _unpaid() == 10
        cursor.execute("SELECT pg_advisory_unlock(%s)", [tasks.EXPIRE_LOCK])
    assert at_once([tasks.expire_orders]) == [None]
    assert _unpaid() == 0


def test_the_lock_is_free_again_after_a_failure(due, at_once, monkeypatch):
    expire_due = services.expire_due

    def fail(*_):
        raise RuntimeError("crashed")

    monkeypatch.setattr(services, "expire_due", fail)
    with pytest.raises(RuntimeError, match="crashed"):
        tasks.expire_orders()
    monkeypatch.setattr(services, "expire_due", expire_due)
    assert at_once([tasks.expire_orders]) == [None]
    assert _unpaid() == 0


def test_beat_sends_the_task_every_second_and_lets_stale_ticks_expire():
    entry = schedule.entry("expire-orders")
    assert entry.task == tasks.expire_orders.name
    assert entry.every_s == 1
    assert entry.expires_s <= 2
    assert tasks.expire_orders.name in app.tasks
