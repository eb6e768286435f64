"""What stands in PostgreSQL and needs somebody's eyes is a figure that can be alerted on."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import REGISTRY

from control_plane.campaigns.models import Campaign
from control_plane.orders.models import Order
from control_plane.orders.services import Intent, land
from control_plane.payments.models import PaymentException, Refund
from control_plane.payments.services import create_payment
from control_plane.reconciliation.models import Finding, Run
from control_plane.reconciliation.services import note_repair, reconcile_due
from control_plane.webhooks.models import ORDER_TYPES, Delivery, Endpoint
from workers.owed import OWED, OwedWatch
from workers.runtime.readiness import Readiness
from workers.standing_figures import PART, StandingFigures

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

NOW = timezone.now


@pytest.fixture
def figures(clock):
    """Look once; a figure by its name."""
    readiness = Readiness(clock, [PART])

    def read(name, **labels):
        StandingFigures(clock, threading.Event(), readiness).turn()
        assert readiness.problem() is None
        return REGISTRY.get_sample_value(name, labels)

    return read


@pytest.fixture
def unpaid(allocation):
    """One order that nobody has paid yet."""
    item = allocation.item_id
    asked = Intent(f"{item}-0-{'x' * 22}", item, 0, 1, "ann", 1, 1_795_348_800_000)
    land([asked], NOW())
    return Order.objects.get(reservation_id=asked.reservation_id)


def _delivery(endpoint, number, state):
    return Delivery.objects.create(
        endpoint=endpoint,
        event_id=f"evt_{number}",
        type="order.paid",
        subject=f"7-0-{number:022d}",
        body="{}",
        state=state,
        next_try_at=NOW(),
        created_at=NOW() - timedelta(minutes=number),
        finished_at=None if state == "pending" else NOW(),
    )


def test_webhooks_that_wait_and_that_were_given_up(figures, campaign):
    about = {"merchant": campaign.merchant, "events": list(ORDER_TYPES), "created_at": NOW()}
    on = Endpoint.objects.create(url="https://a.example/", failures=3, **about)
    off = Endpoint.objects.create(
        url="https://b.example/", active=False, off_reason="failing", **about
    )
    for number, (endpoint, state) in enumerate(
        [(on, "pending"), (on, "pending"), (on, "failed"), (on, "delivered"), (off, "pending")], 1
    ):
        _delivery(endpoint, number, state)
    assert figures("sluice_webhooks_pending") == 2
    assert 110 < figures("sluice_webhooks_oldest_pending_seconds") < 200
    assert figures("sluice_webhooks_failed") == 1
    assert figures("sluice_webhook_endpoints", state="failing") == 1
    assert figures("sluice_webhook_endpoints", state="off") == 1


def test_a_callback_that_does_not_fit(figures):
    assert figures("sluice_payment_exceptions_open") == 0
    PaymentException.objects.create(
        provider="demo",
        event_id="e-1",
        kind="amount_minor",
        payment_id=uuid.uuid4(),
        type="payment.succeeded",
        order_number="S0000000001",
        amount_minor=1,
        currency="CNY",
        first_at=NOW(),
        last_at=NOW(),
    )
    assert figures("sluice_payment_exceptions_open") == 1


def test_an_order_that_should_have_ended(figures, unpaid):
    assert figures("sluice_orders_overdue") == 0
    Order.objects.update(pay_by=NOW() - timedelta(minutes=2))
    assert figures("sluice_orders_overdue") == 1
    Order.objects.update(state="paid")
    assert figures("sluice_orders_overdue") == 0


def test_money_that_does_not_go_back(figures, unpaid):
    payment = create_payment(unpaid, "demo", NOW())
    refund = Refund.objects.create(
        payment=payment, reason="no_unit", next_try_at=NOW(), created_at=NOW()
    )
    assert figures("sluice_refunds_stuck") == 0
    Refund.objects.filter(pk=refund.pk).update(created_at=NOW() - timedelta(hours=2))
    assert figures("sluice_refunds_stuck") == 1
    Refund.objects.filter(pk=refund.pk).update(state="failed", created_at=NOW())
    assert figures("sluice_refunds_stuck") == 1


def test_a_campaign_that_is_not_armed(figures, campaign):
    """It starts in half a minute, and there is no agent."""
    Campaign.objects.update(starts_at=NOW() + timedelta(seconds=20))
    assert figures("sluice_campaigns_not_armed") == 1
    Campaign.objects.update(warmed_at=NOW())
    assert figures("sluice_campaigns_not_armed") == 0


def test_books_that_do_not_balance_or_were_not_compared(figures, campaign):
    long_ago = NOW() - timedelta(days=3)
    Campaign.objects.update(state="ended", ended_at=long_ago)
    assert figures("sluice_reconciliation_overdue") == 1
    # It was never settled.
    assert reconcile_due(NOW(), timedelta(hours=24)) == 1
    assert figures("sluice_reconciliation_overdue") == 0
    assert figures("sluice_reconciliation_unbalanced") == 1


def test_findings_of_the_latest_comparison_that_nothing_has_mended(figures, campaign):
    Campaign.objects.update(state="ended", ended_at=NOW() - timedelta(days=1))
    name = "sluice_reconciliation_findings"
    assert figures(name) == 0
    missing, notice, mended = (_finding(kind) for kind in ("missing_in_pg", "late", "stuck_grant"))
    notice.is_notice = True
    _compared([missing, notice, mended])
    note_repair(mended, "grant", "done", "", NOW())
    assert figures(name) == 1
    _compared([], outcome="unknown")
    assert figures(name) == 1, "who could not look has mended nothing"
    _compared([])
    assert figures(name) == 0


def _finding(kind):
    return Finding(kind=kind, what="a test's", reservation_id="7-0-" + "x" * 22)


def _compared(findings, outcome=None):
    run = Run.objects.create(
        campaign=Campaign.objects.get(),
        kind="by_hand",
        started_at=NOW(),
        finished_at=NOW(),
        engine="duckdb",
        outcome=outcome or ("findings" if findings else "balanced"),
    )
    for finding in findings:
        finding.run = run
        finding.save()


@pytest.mark.parametrize(("watch", "part"), [(StandingFigures, PART), (OwedWatch, OWED)])
def test_a_failure_that_is_no_outage_ends_the_process(clock, watch, part, monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(watch, "look", fail)
    stop = threading.Event()
    side = watch(clock, stop, Readiness(clock, [part]))
    side.run()
    assert stop.is_set()
    with pytest.raises(ZeroDivisionError):
        side.check()
