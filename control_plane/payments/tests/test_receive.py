"""What a provider tells is counted once, and money that buys nothing goes back."""

import uuid

import pytest
from django.db import IntegrityError, connection

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders.models import LedgerEntry, Order, OrderEvent
from control_plane.orders.services import (
    PAY_WITHIN,
    begin_releases,
    end_order,
    land,
    pending_releases,
)
from control_plane.payments import services
from control_plane.payments.events import FAILED, SUCCEEDED, Event
from control_plane.payments.models import Payment, PaymentEvent, Refund
from control_plane.payments.services import create_payment, receive

pytestmark = pytest.mark.django_db(transaction=True)


def _states(order):
    return Order.objects.get(pk=order.pk).state, Payment.objects.get(order=order).state


def _events(order):
    return list(OrderEvent.objects.filter(order_id=order.pk).values_list("type", flat=True))


def test_an_order_has_one_payment_with_a_provider(order, payment, now):
    assert create_payment(order, "demo", now) == payment
    assert (payment.amount_minor, payment.currency) == (1999, "CNY")
    assert Payment.objects.count() == 1


def test_nobody_pays_for_an_order_that_has_ended_or_whose_time_is_over(order, now):
    with pytest.raises(services.NotPayable):
        create_payment(order, "demo", order.pay_by)
    end_order(order.pk, "cancelled", now)
    with pytest.raises(services.NotPayable):
        create_payment(order, "demo", now)
    assert not Payment.objects.exists()


def test_the_payment_of_a_paid_order_is_still_told(order, payment, event, now):
    receive("demo", event(), now)
    assert create_payment(order, "demo", now + 2 * PAY_WITHIN) == payment


def test_money_pays_the_order(order, payment, event, now, written):
    assert receive("demo", event(), now) == "paid"
    assert _states(order) == ("paid", "paid")
    assert _events(order) == ["order.paid"]
    (told,) = written
    assert (told.reservation_id, told.state, told.order_id) == (
        order.reservation_id,
        "paid",
        order.pk,
    )


def test_a_doubled_callback_gets_the_first_answer_and_changes_nothing(
    order, payment, event, now, written
):
    once = event(event_id="e1")
    assert [receive("demo", once, now) for _ in range(3)] == ["paid"] * 3
    assert (PaymentEvent.objects.count(), len(written), _events(order)) == (1, 1, ["order.paid"])


def test_another_event_about_a_paid_payment_changes_nothing(order, payment, event, now):
    receive("demo", event(), now)
    assert receive("demo", event(), now) == "known"
    assert receive("demo", event(type=FAILED), now) == "known"
    assert (_states(order), Refund.objects.count()) == (("paid", "paid"), 0)


def test_a_payment_that_failed_may_succeed_later(order, payment, event, now):
    assert receive("demo", event(type=FAILED), now) == "failed"
    assert _states(order) == ("unpaid", "pending")
    assert receive("demo", event(), now) == "paid"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", 1998),
        ("amount_minor", 2000),
        ("currency", "USD"),
        ("order_number", "S0000000001"),
    ],
)
def test_another_amount_currency_or_order_changes_nothing(
    order, payment, event, now, field, value, written
):
    with pytest.raises(services.Mismatch) as refused:
        receive("demo", event(**{field: value}), now)
    assert refused.value.field == field
    assert _states(order) == ("unpaid", "pending")
    assert (PaymentEvent.objects.count(), written) == (0, [])


def test_an_unknown_payment_and_one_of_another_provider_change_nothing(order, payment, event, now):
    with pytest.raises(services.UnknownPayment):
        receive("demo", event(payment_id=uuid.uuid4()), now)
    with pytest.raises(services.UnknownPayment):
        receive("other", event(), now)
    assert _states(order) == ("unpaid", "pending")


def test_an_event_id_stays_with_its_payment(order, payment, event, allocation, intent, now):
    from control_plane.orders.services import land

    (landed,) = land([intent("bob")], now)
    other = create_payment(Order.objects.get(reservation_id=landed.reservation_id), "demo", now)
    receive("demo", event(event_id="e1"), now)
    mine = {"payment_id": other.pk, "order_number": other.order.number}
    with pytest.raises(services.EventReused):
        receive("demo", event(event_id="e1", **mine), now)
    assert _states(other.order) == ("unpaid", "pending")


def test_events_are_never_changed_or_removed(order, payment, event, now):
    receive("demo", event(), now)
    for statement in (
        "UPDATE payments_paymentevent SET outcome = 'x'",
        "DELETE FROM payments_paymentevent",
    ):
        with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement)


def test_late_money_buys_a_unit_of_the_pool_as_another_order(
    order, payment, event, now, item, written
):
    end_order(order.pk, "expired", order.pay_by)
    written.clear()
    assert receive("demo", event(), order.pay_by) == "ordered_again"
    again = Order.objects.get(replaces=order)
    assert (again.state, again.qty, again.amount_minor) == ("paid", 1, 1999)
    assert _states(order) == ("expired", "paid")
    assert Pool.objects.get(item=item).unallocated == 0
    kinds = LedgerEntry.objects.order_by("order_id", "kind").values_list("order_id", "kind")
    assert list(kinds) == [(order.pk, "confirm"), (order.pk, "return"), (again.pk, "confirm")]
    assert _events(again) == ["order.created", "order.paid"]
    told = {one.reservation_id: (one.state, one.order_id) for one in written}
    assert told == {
        order.reservation_id: ("paid", again.pk),
        again.reservation_id: ("paid", again.pk),
    }


def test_a_doubled_late_callback_buys_one_unit(order, payment, event, now):
    end_order(order.pk, "expired", order.pay_by)
    first = event()
    assert [receive("demo", first, now) for _ in range(2)] == ["ordered_again"] * 2
    assert receive("demo", event(), now) == "known"
    assert Order.objects.count() == 2


def _refund_reason(order, event, now):
    assert receive("demo", event(), now) == "refund"
    assert not Order.objects.filter(replaces=order).exists()
    return Refund.objects.get().reason


def test_late_money_goes_back_when_no_unit_is_left(order, payment, event, now, item):
    end_order(order.pk, "expired", order.pay_by)
    Pool.objects.update(unallocated=0, total=9)
    assert _refund_reason(order, event, now) == "no_unit"


def test_late_money_goes_back_when_the_shopper_has_bought_again(
    order, payment, event, now, item, intent
):
    end_order(order.pk, "expired", order.pay_by)
    land([intent("ann", key="again")], now)
    assert _refund_reason(order, event, now) == "over_limit"


def test_late_money_goes_back_when_a_shard_may_have_sold_him_another_one(
    order, payment, event, now, item, intent
):
    """The reservation is on its way: PostgreSQL sees it when it lands, and it has its place."""
    end_order(order.pk, "expired", order.pay_by)
    assert begin_releases([order.reservation_id]) == {order.reservation_id}
    assert _refund_reason(order, event, now) == "may_hold"
    (landed,) = land([intent("ann", key="again")], now)
    assert landed.reason == ""


def test_a_release_that_late_money_took_back_is_not_told(order, payment, event, now):
    end_order(order.pk, "expired", order.pay_by)
    assert receive("demo", event(), now) == "ordered_again"
    assert begin_releases([order.reservation_id]) == set()
    assert pending_releases(10) == []


def test_of_late_money_and_the_shards_release_at_once_one_is_first(
    make_due, at_once, now, intent, allocation
):
    """Whoever is told that he may buy again is not over the limit when he does."""
    for order, told in make_due(9):
        outcome, released = at_once(
            [
                lambda told=told: receive("demo", told, now),
                lambda pk=order.reservation_id: begin_releases([pk]),
            ]
        )
        assert (outcome == "refund") == bool(released), (outcome, released)
        if released:
            inventory.begin_grant(allocation.pk, 1)
            (landed,) = land([intent(order.shopper, key="again")], now)
            assert landed.reason == ""


def test_an_epoch_that_was_rebuilt_since_does_not_know_his_hold(
    order, payment, event, now, allocation, open_epoch, close
):
    end_order(order.pk, "expired", order.pay_by)
    close(allocation)
    open_epoch()
    Allocation.objects.update(script_sha="b" * 40)
    assert _refund_reason(order, event, now) == "may_hold"


def test_once_every_epoch_is_closed_nothing_is_on_its_way(
    order, payment, event, now, allocation, close
):
    end_order(order.pk, "expired", order.pay_by)
    begin_releases([order.reservation_id])
    close(allocation)
    assert receive("demo", event(), now) == "ordered_again"


@pytest.fixture
def make_due(allocation, intent, now):
    """A builder of orders that have expired, each with the money that comes for it."""

    def build(count):
        made = land([intent(f"shopper-{n}") for n in range(count)], now)
        pairs = []
        for order in Order.objects.filter(reservation_id__in=[one.reservation_id for one in made]):
            payment = create_payment(order, "demo", now)
            end_order(order.pk, "expired", order.pay_by)
            told = Event(
                f"e-{order.pk}",
                SUCCEEDED,
                payment.pk,
                order.number,
                payment.amount_minor,
                payment.currency,
            )
            pairs.append((order, told))
        return pairs

    return build


def test_money_for_a_cancelled_order_goes_back(order, payment, event, now):
    end_order(order.pk, "cancelled", now)
    assert _refund_reason(order, event, now) == "cancelled"


def test_money_that_comes_through_a_second_provider_goes_back(order, payment, event, now):
    second = create_payment(order, "other", now)
    receive("demo", event(), now)
    assert receive("other", event(payment_id=second.pk), now) == "refund"
    assert Refund.objects.get(payment=second).reason == "already_paid"


def test_money_that_comes_after_the_settlement_goes_back(order, payment, event, now, item):
    end_order(order.pk, "expired", order.pay_by)
    type(item.campaign).objects.update(settled_at=now)
    assert _refund_reason(order, event, now) == "settled"


def test_a_withdrawal_that_waits_comes_before_late_money(order, payment, event, now, item):
    # All units are in the shard, so that it waits; then the order's comes back to the pool.
    inventory.withdraw(item.pk, 1, "test", None)
    end_order(order.pk, "expired", order.pay_by)
    assert Pool.objects.get(item=item).unallocated == 1
    assert _refund_reason(order, event, now) == "no_unit"
