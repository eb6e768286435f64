"""What a mend leaves behind when it cannot be seen, is not needed, or is refused."""

from datetime import timedelta

import pytest
import redis
from django.db import OperationalError
from django.utils import timezone

from control_plane.inventory import services as inventory
from control_plane.orders.models import Order, OrderEvent, Rejection
from control_plane.orders.services import land, pay_order
from control_plane.reconciliation.models import Finding
from control_plane.warehouse.services import DEDUCT, Movement, move
from workers.intent import decode
from workers.reconcile import kafka_side as kafka_sides
from workers.reconcile import repairs as repairs_module
from workers.reconcile.stock_side import StockSide
from workers.runtime import kafka
from workers.runtime.verdicts import Unavailable
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


def decide(monkeypatch, *answers):
    """What is said of decisions, one answer after the other; an exception is raised."""
    left = iter(answers)

    def decisions(wanted):
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(repairs_module, "_decisions", decisions)


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


def put(sale, broker, *shoppers):
    """Each in Kafka, in front of the committed offset as far as anybody says; a finding each."""
    broker.put(
        broker.names.reservations,
        [(one, intent(sale.item.pk, one, epoch=sale.allocation.epoch)) for one in shoppers],
        partition=0,
    )
    return [
        Finding(
            kind="missing_in_pg",
            what="undecided",
            shopper=one,
            reservation_id=reservation_id(sale.item.pk, one),
            ref=f"0/{number}",
        )
        for number, one in enumerate(shoppers)
    ]


def test_messages_are_read_where_they_stand_by_one_consumer(sale, kafka_side, broker, monkeypatch):
    put(sale, broker, "ann", "bob", "cid", "dan")
    made, real = [], kafka_sides._reading

    def reading(*one):
        made.append(one)
        return real(*one)

    monkeypatch.setattr(kafka_sides, "_reading", reading)
    # The next one is far from the one before.
    monkeypatch.setattr(kafka_sides, "BATCH", 2)
    found = kafka_side.values_at([(0, 3), (0, 0), (0, 1), (0, 9), (1, 0)])
    names = {place: decode(value).shopper for place, value in found.items()}
    assert names == {(0, 0): "ann", (0, 1): "bob", (0, 3): "dan"}
    assert len(made) == 1


def test_a_reservation_that_ends_rejected_is_not_repaired(sale, at_once, broker, monkeypatch):
    (finding,) = put(sale, broker, "ann")

    def refuse(*_):
        Rejection.objects.create(
            reservation_id=finding.reservation_id,
            item_id=sale.item.pk,
            shard=0,
            epoch=1,
            shopper="ann",
            qty=1,
            reason="over_limit",
            created_at=timezone.now(),
        )

    monkeypatch.setattr(kafka, "deliver", refuse)
    (done,) = at_once.make("relay", [finding])
    assert (done.outcome, done.text) == ("failed", "rejected: over_limit")
    (again,) = at_once.make("relay", [finding])
    assert (again.outcome, again.text) == ("failed", "rejected: over_limit")


def test_a_batch_that_breaks_hides_neither_itself_nor_the_others(at_once, monkeypatch):
    monkeypatch.setattr(repairs_module, "BATCH", 1)
    findings = [Finding(what="relayed", reservation_id=str(n)) for n in range(3)]
    decide(monkeypatch, OperationalError("gone"), redis.ConnectionError("away"), {"2": ""})
    made = at_once.make("relay", findings)
    first = next(made)
    assert (first.outcome, first.text) == ("failed", "OperationalError: gone")
    # Said before anything is asked about the next batch.
    assert next(made).text == "ConnectionError: away"
    assert outcomes(made) == [("relay", "not_needed")]


def test_a_database_that_is_away_when_looking_leaves_it_tried(sale, at_once, broker, monkeypatch):
    (finding,) = put(sale, broker, "ann")
    decide(monkeypatch, {}, OperationalError("gone"))
    (done,) = at_once.make("relay", [finding])
    assert (done.outcome, done.text) == ("tried", "OperationalError: gone")
    assert len(broker.read(broker.names.reservations)) == 2


def test_a_shard_that_refuses_its_movements_is_a_side_that_is_away(
    sale, clusters, tmp_path, monkeypatch
):
    side = StockSide(clusters, tmp_path, [])
    monkeypatch.setattr(side, "_ask", lambda shard, call: None)
    with pytest.raises(Unavailable, match="is refused"):
        side._movements(sale.shard, sale.shard.grants)


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
