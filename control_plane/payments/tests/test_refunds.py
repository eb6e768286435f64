"""Money goes back once, whatever the provider says and however often it is asked."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from control_plane.orders.services import end_order
from control_plane.payments import providers, refunds, services, tasks
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable
from control_plane.payments.models import DemoRefund, Refund
from control_plane.payments.services import due_refunds, perform, receive, retry

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])


class Scripted:
    """A provider that answers as the test says, and counts."""

    name = "demo"

    def __init__(self):
        self.asked = []
        self.answer = None

    def keys(self):
        return ("k" * 43,)

    def refund(self, refund):
        assert not connection.in_atomic_block, "a provider is never asked inside a transaction"
        self.asked.append(refund.pk)
        if self.answer:
            raise self.answer


@pytest.fixture
def provider(monkeypatch):
    scripted = Scripted()
    monkeypatch.setattr(providers, "get", lambda name: scripted)
    return scripted


@pytest.fixture
def refund(order, payment, event, now):
    """Of money for an order that was cancelled."""
    end_order(order.pk, "cancelled", now)
    assert receive("demo", event(), now) == "refund"
    return Refund.objects.get()


def _now_of(refund):
    return Refund.objects.get(pk=refund.pk)


def test_a_refund_is_due_at_once_and_done_when_the_provider_says_so(refund, provider, now):
    assert due_refunds(now, 10) == [refund.pk]
    assert perform(refund.pk, now) == "done"
    assert (_now_of(refund).state, _now_of(refund).attempts) == ("done", 1)
    assert due_refunds(now + timedelta(days=9), 10) == []


def test_a_done_refund_is_not_asked_for_again(refund, provider, now):
    perform(refund.pk, now)
    assert perform(refund.pk, now + timedelta(days=9)) is None
    assert len(provider.asked) == 1


def test_without_a_clear_answer_it_is_asked_again_later_with_the_same_key(refund, provider, now):
    provider.answer = ProviderUnavailable("timed out")
    at = now
    for pause in (*refunds.PAUSES, refunds.PAUSES[-1]):
        assert perform(refund.pk, at) == "due"
        assert due_refunds(at + pause - timedelta(milliseconds=1), 10) == []
        at += pause
        assert due_refunds(at, 10) == [refund.pk]
    assert _now_of(refund).last_error == "timed out"
    provider.answer = None
    assert perform(refund.pk, at) == "done"
    assert set(provider.asked) == {refund.pk}


def test_a_clear_no_fails_it_for_a_person_to_try_again(refund, provider, now, caplog):
    provider.answer = ProviderRefused("unknown payment")
    assert perform(refund.pk, now) == "failed"
    assert due_refunds(now + timedelta(days=9), 10) == []
    assert "refund failed: unknown payment" in caplog.text
    provider.answer = None
    assert retry(refund.pk, now) is True
    assert retry(refund.pk, now) is False
    assert perform(refund.pk, now) == "done"
    assert retry(refund.pk, now) is False


def test_after_many_tries_in_vain_it_fails(refund, provider, now):
    provider.answer = ProviderUnavailable("away")
    Refund.objects.update(attempts=refunds.ATTEMPTS_MAX - 1)
    assert perform(refund.pk, now) == "failed"
    assert _now_of(refund).last_error == f"given up after {refunds.ATTEMPTS_MAX} tries: away"


def test_of_two_who_try_at_once_one_asks(refund, provider, now, at_once):
    outcomes = at_once([lambda: perform(refund.pk, now)] * 4)
    assert sorted(map(str, outcomes)) == ["None", "None", "None", "done"]
    assert len(provider.asked) == 1


def test_who_dies_while_asking_is_followed_by_the_next_try(refund, provider, now):
    provider.answer = SystemExit("killed")
    with pytest.raises(SystemExit):
        perform(refund.pk, now)
    provider.answer = None
    assert due_refunds(now + refunds.PAUSES[0], 10) == [refund.pk]
    assert perform(refund.pk, now + refunds.PAUSES[0]) == "done"
    assert _now_of(refund).attempts == 2


def test_the_task_does_what_is_due_and_leaves_it_to_one_that_is_at_it(refund, provider, at_once):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [tasks.REFUND_LOCK])
        assert at_once([tasks.refund_due]) == [None]
        assert provider.asked == []
        cursor.execute("SELECT pg_advisory_unlock(%s)", [tasks.REFUND_LOCK])
    assert at_once([tasks.refund_due, tasks.refund_due]) == [None, None]
    assert len(provider.asked) == 1


def test_a_provider_that_does_not_answer_is_asked_once_a_run_and_others_all_the_same(
    provider, now, monkeypatch
):
    tried: list[str] = []

    def perform(refund_id, _now):
        tried.append(refund_id)
        return "done" if refund_id == "another's" else "due"

    def due(_now, _limit, without):
        return ["another's"] if "away" in without else ["one", "two", "another's"]

    monkeypatch.setattr(services, "due_refunds", due)
    monkeypatch.setattr(services, "perform", perform)
    monkeypatch.setattr(tasks, "_provider", lambda refund_id: "away")
    tasks.refund_due()
    assert tried == ["one", "another's"]


def test_a_quiet_second_costs_three_statements(provider, db):
    with CaptureQueriesContext(connection) as queries:
        tasks.refund_due()
    assert len(queries) == 3


@pytest.fixture
def demo_at(ready, settings):
    """The demo's provider answers at the test's server."""
    from dataclasses import replace

    settings.ENV = replace(settings.ENV, control_plane_url=ready)


def test_the_demo_provider_gives_money_back_once_over_real_http(refund, demo_at, now):
    assert perform(refund.pk, now) == "done"
    Refund.objects.update(state="due", next_try_at=now)
    assert perform(refund.pk, now) == "done"
    given = DemoRefund.objects.get()
    assert (given.key, given.payment, given.amount_minor) == (refund.pk, refund.payment_id, 1999)


def test_the_demo_provider_refuses_another_key_for_the_same_money(refund, demo_at, now):
    DemoRefund.objects.create(
        key="00000000-0000-4000-8000-000000000000",
        payment=refund.payment_id,
        amount_minor=1999,
        currency="CNY",
        created_at=now,
    )
    assert perform(refund.pk, now) == "failed"
    assert _now_of(refund).last_error.startswith("409")


def test_a_provider_that_is_away_is_asked_again(refund, settings, now):
    from dataclasses import replace

    settings.ENV = replace(settings.ENV, control_plane_url="http://127.0.0.1:1")
    assert perform(refund.pk, now) == "due"
    assert "refused" in _now_of(refund).last_error


def test_the_demo_collects_and_its_callback_pays_over_real_http(order, payment, demo_at):
    tasks.demo_collect(str(payment.pk))
    tasks.demo_collect(str(payment.pk))
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.state, payment.state, payment.events.count()) == ("paid", "paid", 1)


def test_a_provider_nobody_knows_any_more_keeps_the_refund_due(refund, now, monkeypatch):
    def gone(name):
        raise providers.UnknownProvider(name)

    monkeypatch.setattr(providers, "get", gone)
    assert perform(refund.pk, now) == "due"
    assert services.due_refunds(now, 10) == []
