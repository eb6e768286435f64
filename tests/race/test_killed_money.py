"""Whoever carries events, money or dead letters dies between two steps: a repeat makes it right.

Nothing is lost and nothing is done twice: units, events, the warehouse's books, refunds.
"""

import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from control_plane.conftest import server
from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Letter, keep
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders.models import (
    Order,
    OrderEvent,
    StockAnswer,
)
from control_plane.orders.services import Intent, end_order, land
from control_plane.payments.models import DemoRefund, Payment, PaymentEvent, Refund
from control_plane.payments.services import create_payment
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from tests.race import points
from tests.race.sale import DEADLINE_S
from tests.redis.waiting import until
from workers import order_events
from workers.tests import running
from workers.tests.messages import intent, reservation_id

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "inventory"]),
]
__all__ = ["server"]
ORDERS, ENDED = 10, 4


@pytest.fixture
def item(sale):
    """The sale's item, with an epoch that PostgreSQL alone knows: no shard is needed here."""
    opened = inventory.open_epoch(sale.item, 0, after=0, epoch=1, source="primary")
    assert opened is not None
    inventory.begin_grant(opened.pk, ORDERS)
    Allocation.objects.update(script_sha="a" * 40)
    yield sale.item
    assert inventory.conservation(sale.item).drift == 0


@pytest.fixture
def landed(item):
    """Orders, and what the order consumer would have said of them."""
    now = datetime.now(UTC)
    at_ms = int(now.timestamp() * 1000)
    names = [f"shopper-{n}" for n in range(ORDERS)]
    return land(
        [Intent(reservation_id(item, one), item, 0, 1, one, 1, at_ms) for one in names], now
    )


@pytest.fixture
def once(environ):
    """Do something to its end, in a process of its own."""

    def run(name, **variables):
        process = running.start("tests.race.once", environ() | variables, name)
        _, log = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, log

    return run


@pytest.mark.parametrize("point", points.CARRYING)
def test_events_of_orders_and_the_answers_to_them(point, broker, landed, healthy, victim):
    stock_in("TEA", 100)
    created = [(one.shopper, order_events.decided(one)) for one in landed]
    broker.put(broker.names.order_events, created)
    for one in landed[:ENDED]:
        assert end_order(one.order_id, "cancelled", datetime.now(UTC))

    def all_answered():
        kinds = sorted(StockAnswer.objects.values_list("kind", flat=True))
        return kinds == ["deducted"] * ORDERS + ["restored"] * ENDED

    with healthy(["inventory_consumer"]):
        victim(point).must_die()
        with healthy(["order_courier"]):
            until(all_answered, "everything is answered", DEADLINE_S)
            until(
                lambda: not OrderEvent.objects.filter(sent_at=None).exists(),
                "every event is marked",
                DEADLINE_S,
            )
    assert Stock.objects.get().on_hand == 100 - ORDERS + ENDED
    assert StockEntry.objects.count() == ORDERS + ENDED
    # A repeat is the same message.
    ended = {one["order_id"] for one in broker.events("order.cancelled")}
    assert ended == {one.order_id for one in landed[:ENDED]}


@pytest.fixture
def payment(landed):
    """Of the first order."""
    order = Order.objects.get(pk=landed[0].order_id)
    return create_payment(order, "demo", datetime.now(UTC))


# What became of the order before the money came, and what the money leads to.
MONEY = {
    "in time": (None, "paid", [("paid", None)]),
    "late": ("expired", "ordered_again", [("expired", None), ("paid", True)]),
    "in vain": ("cancelled", "refund", [("cancelled", None)]),
}


@pytest.mark.parametrize("when", MONEY)
@pytest.mark.parametrize("point", points.PAYING)
def test_money_for_an_order(point, when, payment, victim, once):
    end, outcome, orders = MONEY[when]
    if end:
        later = datetime.now(UTC) + timedelta(days=1)
        assert end_order(payment.order_id, end, later)
    victim(point).must_die()
    for _ in range(2):
        once("callback")
    assert PaymentEvent.objects.get().outcome == outcome
    assert Payment.objects.get().state == "paid"
    ours = Order.objects.filter(shopper=payment.order.shopper).order_by("pk")
    assert [(one.state, one.replaces_id and True) for one in ours] == orders
    assert Refund.objects.count() == (outcome == "refund")
    paid = OrderEvent.objects.filter(type="order.paid")
    assert paid.count() == (outcome != "refund")


@pytest.mark.parametrize("point", points.REFUNDING)
def test_money_that_goes_back(point, payment, victim, once, server, environ):
    until(lambda: _answers(server), "the provider answers", DEADLINE_S, 0.1)
    assert end_order(payment.order_id, "cancelled", datetime.now(UTC))
    once("callback")
    address = {"SLUICE_CONTROL_PLANE_URL": server}
    victim(point, **address).must_die()

    def given_back():
        Refund.objects.update(next_try_at=datetime.now(UTC))
        once("refund", **address)
        return Refund.objects.get().state == "done"

    until(given_back, "the money is back", DEADLINE_S)
    assert DemoRefund.objects.get().amount_minor == payment.amount_minor


@pytest.mark.parametrize("point", points.RETRYING)
def test_a_dead_letter_that_is_tried_again(point, item, victim, once):
    payload = intent(item, "ann")
    place = ("reservations", "reservations", "reservations", 0, 7)
    keep([Letter(*place, payload, "refused", "no")], datetime.now(UTC))
    DeadLetter.objects.update(next_at=datetime.now(UTC))
    victim(point).must_die()
    for _ in range(2):
        DeadLetter.objects.update(next_at=datetime.now(UTC))
        once("retry")
    assert Order.objects.get().shopper == "ann"
    assert OrderEvent.objects.get().type == "order.created"
    kept = DeadLetter.objects.get()
    assert (kept.state, kept.outcome) == ("done", "confirmed")
    assert kept.history.filter(step="done").count() == 1


def _answers(address):
    with suppress(OSError), urllib.request.urlopen(f"{address}/healthz", timeout=5):
        return True
    return False
