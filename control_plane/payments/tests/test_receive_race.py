"""Money and the end of an order at the same moment, a thousand times; without a guard in a control.

`-s` prints the figures.
"""

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders import paying
from control_plane.orders.models import LedgerEntry, Order
from control_plane.orders.services import PAY_WITHIN, end_order, expire_due, land
from control_plane.payments.events import SUCCEEDED, Event
from control_plane.payments.models import Payment, PaymentEvent, Refund
from control_plane.payments.services import create_payment, receive

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = 1000
# Raced together: so many that they are under way at once, few enough for a machine that is busy.
A_ROUND = 100
PAYERS = 4
SOON = timedelta(minutes=1)


@pytest.fixture
def make(item, allocation, intent, now):
    """A builder of unpaid orders, each with its payment; no unit is anywhere else."""

    def build(count):
        Pool.objects.update(total=count, unallocated=0)
        Allocation.objects.update(granted=count)
        made = land([intent(f"shopper-{n}") for n in range(count)], now)
        found = Order.objects.in_bulk([one.order_id for one in made])
        return [(order, create_payment(order, "demo", now)) for order in found.values()]

    return build


def _event(order, payment, name="first"):
    return Event(
        f"{name}-{order.pk}",
        SUCCEEDED,
        payment.pk,
        order.number,
        payment.amount_minor,
        payment.currency,
    )


def _pay(pairs, at):
    """Callbacks of these payments, each of them twice; what they heard."""
    outcomes = []
    for order, payment in pairs:
        told = _event(order, payment)
        outcomes += [receive("demo", told, at), receive("demo", told, at)]
    return outcomes


def _expire(at, rng):
    """A few at a time, until all that are due have ended one way or the other."""
    due = Order.objects.filter(state="unpaid", pay_by__lte=at)
    while due.exists():
        expire_due(at, limit=rng.randrange(1, 6))


def _grant(allocation_id):
    """What the stock agent does meanwhile with half of the units that come back."""
    for _ in range(A_ROUND // 4):
        with suppress(inventory.NotEnoughUnits):
            inventory.begin_grant(allocation_id, 1)


@pytest.fixture
def race(at_once, allocation, now):
    """Payers, two runners of expiry and the agent, round after round over all orders."""

    def run(pairs, seed):
        rng = random.Random(seed)
        at = now + SOON
        rng.shuffle(pairs)
        for first in range(0, len(pairs), A_ROUND):
            some = pairs[first : first + A_ROUND]
            Order.objects.filter(pk__in=[order.pk for order, _ in some]).update(pay_by=at)
            payers = [lambda mine=some[n::PAYERS]: _pay(mine, at) for n in range(PAYERS)]
            expiry = [lambda: _expire(at, rng)] * 2
            heard = at_once([*payers, *expiry, lambda: _grant(allocation.pk)])
            failures = [one for one in heard if isinstance(one, Exception)]
            assert not failures, (seed, failures)

    return run


def test_every_order_has_one_end_and_every_unit_one_place(race, make, item):
    pairs = make(ORDERS)
    race(pairs, seed=11)
    ours = Order.objects.filter(pk__in=[order.pk for order, _ in pairs])
    states = Counter(ours.values_list("state", flat=True))
    again = Order.objects.filter(replaces__isnull=False)
    books = inventory.conservation(item.pk)
    refunds = Refund.objects.count()
    print(
        f"\n{ORDERS} payments against expiry: {dict(states)}, ordered again {again.count()},"
        f" refunds {refunds}, drift {books.drift}"
    )
    assert states["paid"] + states["expired"] == ORDERS
    assert states["paid"] and states["expired"], "one side was always first: no race"
    # Each payment bought exactly one thing or goes back.
    assert Payment.objects.filter(state="paid").count() == ORDERS
    assert states["paid"] + again.count() + refunds == ORDERS
    assert PaymentEvent.objects.count() == ORDERS
    assert books.drift == 0
    assert books.live_orders == states["paid"] + again.count()
    kinds = Counter(LedgerEntry.objects.values_list("kind", flat=True))
    assert kinds == {"confirm": ORDERS + again.count(), "return": states["expired"]}


def test_an_order_that_expires_twice_at_once_returns_its_unit_once(make, at_once, now, item):
    due = now + PAY_WITHIN
    ids = [order.pk for order, _ in make(20)]
    calls = [lambda: sum(end_order(pk, "expired", due) for pk in ids)] * 4
    assert sum(at_once(calls)) == 20
    assert Pool.objects.get(item=item).unallocated == 20


def test_a_late_payment_told_by_many_at_once_buys_one_unit(make, at_once, now, item):
    ((order, payment),) = make(1)
    due = now + PAY_WITHIN
    end_order(order.pk, "expired", due)
    Pool.objects.update(unallocated=5, total=5)
    told = [_event(order, payment, f"time-{n}") for n in range(4)]
    heard = at_once([lambda one=one: receive("demo", one, due) for one in told])
    assert sorted(heard) == ["known", "known", "known", "ordered_again"]
    assert Pool.objects.get(item=item).unallocated == 4


def _control(monkeypatch, guard, instead=""):
    assert guard in paying._PAY
    monkeypatch.setattr(paying, "_PAY", paying._PAY.replace(guard, instead))


def test_control_without_the_look_at_the_state_an_expired_order_is_paid_with_no_unit(
    make, now, item, monkeypatch
):
    """The drift that the guard prevents is put right again, for the fixture that looks last."""
    _control(monkeypatch, "AND state = 'unpaid'")
    ((order, payment),) = make(1)
    end_order(order.pk, "expired", now + PAY_WITHIN)
    assert receive("demo", _event(order, payment), now + PAY_WITHIN) == "paid"
    assert inventory.conservation(item.pk).drift == -1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET state = 'expired' WHERE id = %s", [order.pk])
