"""The outbox of order events: one row that cannot be sent is put aside, the others go on."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from control_plane.orders import projection
from control_plane.orders.models import OrderEvent
from control_plane.orders.services import end_order
from workers import order_events
from workers.order_courier import OUTBOX
from workers.owed import OwedWatch
from workers.runtime import metrics
from workers.runtime.consumer import HALT_S
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import DeadLetterCap
from workers.tests.test_order_courier import ORDERS, orders, sender

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])
__all__ = ["orders", "sender"]


@contextmanager
def refused(update_of, when):
    """The outbox takes no such update."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the trigger says no'; END $$;"
            f"CREATE TRIGGER refuse BEFORE UPDATE {update_of} ON orders_orderevent FOR EACH ROW"
            f" WHEN ({when}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON orders_orderevent; DROP FUNCTION refuse()")


@pytest.fixture(autouse=True)
def all_cancelled(orders, monkeypatch):
    for one in orders:
        assert end_order(one.order_id, "cancelled", datetime.now(UTC))


def _unsent():
    return set(OrderEvent.objects.filter(sent_at=None).values_list("order_id", flat=True))


def _told(broker):
    return sorted(one["order_id"] for one in broker.events("order.cancelled"))


def _its_time_comes():
    OrderEvent.objects.update(aside_until=datetime.now(UTC) - timedelta(seconds=1))


def test_a_mark_that_is_refused_holds_up_no_other(sender, orders, broker, clock, stop):
    poison = orders[7].order_id
    with refused("OF sent_at", f"NEW.order_id = {poison}"):
        assert sender.turn() == 0
        assert _unsent() == {poison}
        event = OrderEvent.objects.get(order_id=poison)
        assert "the trigger says no" in event.problem
        assert event.aside_until and event.aside_until > datetime.now(UTC) + timedelta(minutes=4)
        assert sender.turn() > 0, "until then it is not looked at"
        OwedWatch(clock, stop, Readiness(clock, [])).look()
        assert metrics.ORDER_EVENTS_ASIDE._value.get() == 1
        _its_time_comes()
        assert sender.turn() == 0
        assert _unsent() == {poison}
    _its_time_comes()
    assert sender.turn() == 0
    assert _unsent() == set()
    assert set(_told(broker)) == {one.order_id for one in orders}


def test_what_cannot_even_be_put_aside_is_left_out_by_this_courier(sender, orders, broker):
    poison = orders[7].order_id
    with refused("", f"NEW.order_id = {poison}"):
        assert sender.turn() == 0
        assert _unsent() == {poison}
        assert sender.turn() > 0, "it is not sent again and again"
    assert len(_told(broker)) == ORDERS


def test_a_message_that_cannot_be_written_is_put_aside_unsent(sender, orders, broker, monkeypatch):
    poison = orders[7].order_id
    changed = order_events.changed

    def refuse(event):
        if event.order.order_id == poison:
            raise ValueError("year 10000 is out of range")
        return changed(event)

    monkeypatch.setattr(order_events, "changed", refuse)
    assert sender.turn() == 0
    assert _unsent() == {poison}
    # Each of the others is told once, although the batch was taken apart.
    assert _told(broker) == sorted({one.order_id for one in orders} - {poison})


def test_where_all_is_refused_nothing_is_put_aside_and_it_stands_still(sender, orders, broker):
    sender._cap = DeadLetterCap(window=10)
    halted = metrics.HALTED.labels(OUTBOX)
    with refused("OF sent_at", "true"):
        for _ in range(2):
            assert sender.turn() == HALT_S
            assert halted._value.get() == 1
    assert not OrderEvent.objects.filter(aside_until__isnull=False).exists()
    assert sender.turn() == 0
    assert (_unsent(), halted._value.get()) == (set(), 0)
    # Kafka heard of each once, however often the mark was tried.
    assert len(_told(broker)) == ORDERS


def test_a_status_is_not_forgotten_for_a_poison_in_its_batch(sender, orders, work_redis):
    with refused("OF sent_at", f"NEW.order_id = {orders[7].order_id}"):
        work_redis.delete(*(projection.KEY_PREFIX + one.reservation_id for one in orders))
        assert sender.turn() == 0
    for one in orders:
        assert b"cancelled" in work_redis.get(projection.KEY_PREFIX + one.reservation_id)
