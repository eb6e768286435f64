"""Expiry, staff and payment at the same moment. In the controls a guard is off."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Pool
from control_plane.orders import ends, projection
from control_plane.orders.models import LedgerEntry, LedgerKind, Order
from control_plane.orders.services import PAY_WITHIN, end_order, expire_due, land

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 30
ORDERS = 10


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


@pytest.fixture
def orders(allocation, intent, now):
    return [one.order_id for one in land([intent(f"shopper-{n}") for n in range(ORDERS)], now)]


def test_units_of_an_order_return_once_whoever_ends_it(orders, at_once, now, item):
    due = now + PAY_WITHIN
    outcomes = at_once(
        [
            lambda: expire_due(due),
            lambda: expire_due(due),
            lambda: sum(end_order(pk, "cancelled", due) for pk in orders),
            lambda: sum(end_order(pk, "expired", due) for pk in reversed(orders)),
        ]
    )
    assert sum(outcomes) == ORDERS
    assert Pool.objects.get().unallocated == ORDERS
    assert LedgerEntry.objects.filter(kind=LedgerKind.RETURN).count() == ORDERS


def _end_without(monkeypatch, guard, instead=""):
    assert ends._END.count(guard) >= 1
    monkeypatch.setattr(ends, "_END", ends._END.replace(guard, instead))


def test_control_without_the_look_at_the_state_only_the_keys_refuse(orders, now, monkeypatch):
    _end_without(monkeypatch, "AND state = 'unpaid'")
    assert end_order(orders[0], "cancelled", now)
    with pytest.raises(
        IntegrityError, match=r"orders_(ledgerentry|holdrelease)_pkey|orderevent_once_per_order"
    ):
        end_order(orders[0], "cancelled", now)


def test_control_without_the_look_at_the_time_an_order_expires_at_once(orders, now, monkeypatch):
    _end_without(monkeypatch, "AND (%(to_state)s <> 'expired' OR pay_by <= %(due)s)")
    assert end_order(orders[0], "expired", now)


def test_an_order_that_is_being_paid_is_left_for_the_next_time(orders, at_once, now, item):
    """The payment holds the order; expiry neither waits for it nor returns its unit."""
    paying, ended = threading.Event(), threading.Event()

    def pay():
        with transaction.atomic():
            Order.objects.select_for_update().get(pk=orders[0])
            paying.set()
            assert ended.wait(DEADLINE_S)
            Order.objects.filter(pk=orders[0]).update(state="paid")

    def expire():
        assert paying.wait(DEADLINE_S)
        try:
            return expire_due(now + PAY_WITHIN)
        finally:
            ended.set()

    _, expired = at_once([pay, expire])
    assert expired == ORDERS - 1
    assert Order.objects.get(pk=orders[0]).state == "paid"
    assert expire_due(now + PAY_WITHIN) == 0


def test_control_without_skip_locked_expiry_waits_for_the_payment(
    orders, at_once, now, monkeypatch
):
    _end_without(monkeypatch, "SKIP LOCKED")
    paying, ended = threading.Event(), threading.Event()

    def pay():
        with transaction.atomic():
            Order.objects.select_for_update().get(pk=orders[0])
            paying.set()
            return ended.wait(1)

    def expire():
        assert paying.wait(DEADLINE_S)
        expire_due(now + PAY_WITHIN)
        ended.set()

    expired_meanwhile, _ = at_once([pay, expire])
    assert expired_meanwhile is False


def test_landing_and_expiry_of_the_same_item_do_not_deadlock(orders, intent, at_once, now, item):
    Pool.objects.update(total=1000, unallocated=990)
    inventory.begin_grant(item.allocations.get().pk, 100)
    for number in range(10):
        batch = [intent(f"new-{number}-{n}") for n in range(10)]
        outcomes = at_once(
            [
                lambda batch=batch: land(batch, now),
                lambda: expire_due(now + PAY_WITHIN, limit=10),
                lambda: end_order(orders[0], "cancelled", now),
            ]
        )
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes


def test_the_pool_comes_first(orders, at_once, now):
    """An expiry that waits for the pool holds no order yet."""
    holding, seen = threading.Event(), threading.Event()

    def hold_pool_then_order():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT FROM inventory_pool FOR NO KEY UPDATE")
            holding.set()
            seen.wait(0.5)
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            list(Order.objects.select_for_update())
        return "no deadlock"

    def expire():
        holding.wait(DEADLINE_S)
        return expire_due(now + PAY_WITHIN)

    assert at_once([hold_pool_then_order, expire]) == ["no deadlock", ORDERS]
