"""What a mend leaves behind when it cannot be seen, is not needed, or is refused."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.inventory import services as inventory
from control_plane.orders.models import Order, OrderEvent
from control_plane.orders.services import land, pay_order
from control_plane.reconciliation.models import Finding
from control_plane.warehouse.services import DEDUCT, Movement, move
from workers.intent import decode
from workers.stock import shard as shards
from workers.tests.messages import intent, reservation_id

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])


@pytest.fixture
def order(sale):
    land([decode(intent(sale.item.pk, "ann"))], timezone.now())
    return Order.objects.get()


@pytest.fixture
def at_once(repairs):
    """Nothing is waited for."""
    repairs._seen_within_s = 0
    return repairs


def outcomes(done):
    return [(one.action, str(one.outcome)) for one in done]


def test_an_order_nobody_announced_is_announced_once(order, sale, at_once):
    finding = Finding(kind="missing_in_pg", what="deduct", order_number=order.pk)
    assert outcomes(at_once.make("tell", [finding])) == [("tell", "tried")]
    event = OrderEvent.objects.get(order_id=order.pk)
    assert (event.type, event.sent_at) == ("order.created", None)
    (again,) = at_once.make("tell", [finding])
    assert again.outcome == "failed" and "has sent it before" in again.text
    assert Order.objects.count() == OrderEvent.objects.count() == 1


def test_what_the_warehouse_has_by_then_is_repaired(order, sale, at_once):
    move([Movement(order.pk, "TEA", sale.item.pk, 1, "ann", DEDUCT)], timezone.now())
    finding = Finding(kind="missing_in_pg", what="deduct", order_number=order.pk)
    assert outcomes(at_once.make("tell", [finding])) == [("tell", "done")]


def test_what_was_decided_meanwhile_is_not_sent_again(order, sale, at_once, broker):
    name = reservation_id(sale.item.pk, "ann")
    finding = Finding(kind="missing_in_pg", what="undecided", reservation_id=name, ref="0/0")
    assert outcomes(at_once.make("relay", [finding])) == [("relay", "not_needed")]
    assert broker.read(broker.names.reservations) == []


def test_another_reservation_in_its_place_is_not_sent(sale, at_once, broker):
    broker.put(broker.names.reservations, [("bob", intent(sale.item.pk, "bob"))], partition=0)
    name = reservation_id(sale.item.pk, "ann")
    finding = Finding(kind="missing_in_pg", what="undecided", reservation_id=name, ref="0/0")
    (done,) = at_once.make("relay", [finding])
    assert (done.outcome, done.text) == ("failed", "another reservation stands there")
    assert len(broker.read(broker.names.reservations)) == 1


def test_a_shard_that_is_fenced_takes_no_grant(sale, at_once):
    grant = inventory.begin_grant(sale.allocation.pk, 7)
    shards.disarm(sale.cluster, sale.shard)
    finding = Finding(kind="stuck_grant", what="waiting", ref=str(grant.pk))
    (done,) = at_once.make("grant", [finding])
    assert done.outcome == "failed" and "FENCED" in done.text
    grant.refresh_from_db()
    assert grant.applied_at is None


def test_an_order_that_was_paid_meanwhile_does_not_expire(order, at_once):
    Order.objects.update(pay_by=timezone.now() - timedelta(hours=1))
    pay_order(order.pk, timezone.now())
    finding = Finding(kind="late", what="unpaid", order_number=order.pk)
    assert outcomes(at_once.make("expire", [finding])) == [("expire", "not_needed")]
    assert Order.objects.get().state == "paid"
