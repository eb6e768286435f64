"""A provider over signed HTTP, with a real server in its place; the demo's is one of them."""

import json
from dataclasses import replace

import pytest
import redis
from django.utils import timezone

from control_plane.config.celery import WAITED_FOR
from control_plane.config.env import PaymentProvider
from control_plane.orders.services import end_order
from control_plane.outgoing.tests.merchant import serving
from control_plane.payments import providers, signature, tasks
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable
from control_plane.payments.events import SUCCEEDED, Event
from control_plane.payments.models import Payment, Refund
from control_plane.payments.services import create_payment, perform, receive

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

KEYS = ("n" * 43, "o" * 43)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def acme():
    with serving() as server:
        yield server


@pytest.fixture
def configured(settings, acme):
    url = f"http://127.0.0.1:{acme.port}/v1"
    settings.ENV = replace(settings.ENV, payment_providers={"acme": PaymentProvider(url, KEYS)})
    return providers.get("acme")


@pytest.fixture
def payment(order, configured, now):
    return create_payment(order, "acme", now)


def test_it_is_told_what_to_collect_signed_with_the_first_key(configured, acme, payment, order):
    acme.answer = lambda _: (201, {}, b'{"pay_url":"https://pay.acme.example/x"}')
    assert configured.begin(payment) == "https://pay.acme.example/x"
    (heard,) = acme.heard
    assert heard.path == "/v1/payments"
    assert heard.event == {
        "payment_id": str(payment.pk),
        "order_number": order.number,
        "amount_minor": 1999,
        "currency": "CNY",
    }
    header = heard.headers[signature.HEADER.lower()]
    signature.check([KEYS[0]], header, heard.body, timezone.now())
    with pytest.raises(signature.BadSignature):
        signature.check([KEYS[1]], header, heard.body, timezone.now())


def test_a_yes_that_says_nothing_more_is_a_yes(configured, acme, payment):
    for said in (b"", b"ok", b"[]", b"{}", b'{"other":1}'):
        acme.answer = lambda _, said=said: (200, {}, said)
        assert configured.begin(payment) is None


def test_an_address_that_is_none_is_not_shown_to_shoppers(configured, acme, payment):
    for said in ("javascript:alert(1)", 7, "https://x" * 200):
        acme.answer = lambda _, said=said: (200, {}, json.dumps({"pay_url": said}).encode())
        with pytest.raises(ProviderUnavailable):
            configured.begin(payment)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_a_clear_no(configured, acme, payment, status):
    acme.answer = lambda _: status
    with pytest.raises(ProviderRefused, match=str(status)):
        configured.begin(payment)


@pytest.mark.parametrize("status", [302, 307, 408, 425, 429, 500, 503])
def test_anything_else_tells_nothing_and_is_asked_again(configured, acme, payment, status):
    acme.answer = lambda _: (status, {"Location": acme.url()}, b"")
    with pytest.raises(ProviderUnavailable, match=str(status)):
        configured.begin(payment)
    assert len(acme.heard) == 1, "a redirect is not followed"


def test_a_refund_has_its_key(configured, acme, payment, order, now):
    end_order(order.pk, "cancelled", now)
    told = Event("e-1", SUCCEEDED, payment.pk, order.number, 1999, "CNY")
    assert receive("acme", told, now) == "refund"
    refund = Refund.objects.get()
    acme.answer = lambda _: 503 if len(acme.heard) == 1 else 200
    assert perform(refund.pk, now) == "due"
    refund.refresh_from_db()
    assert perform(refund.pk, refund.next_try_at) == "done"
    assert [one.path for one in acme.heard] == ["/v1/refunds"] * 2
    assert {one.event["key"] for one in acme.heard} == {str(refund.pk)}


def test_its_callbacks_count_by_either_key(configured):
    assert configured.keys() == KEYS


def test_who_is_not_configured_is_unknown(settings):
    with pytest.raises(providers.UnknownProvider):
        providers.get("acme")
    settings.ENV = replace(settings.ENV, demo=False)
    with pytest.raises(providers.UnknownProvider):
        providers.get("demo")


def test_a_merchants_tool_is_told_where_the_shopper_pays(admin_client, configured, acme, order):
    acme.answer = lambda _: (200, {}, b'{"pay_url":"https://pay.acme.example/x"}')
    body = {"order_number": order.number, "provider": "acme"}
    post = {"path": "/api/v1/payments", "data": body, "content_type": "application/json"}
    made = admin_client.post(**post)
    assert (made.status_code, made.json()["pay_url"]) == (200, "https://pay.acme.example/x")
    acme.answer = lambda _: 503
    busy = admin_client.post(**post)
    assert (busy.status_code, busy.json()["code"]) == (503, "busy")
    acme.answer = lambda _: 409
    refused = admin_client.post(**post)
    assert (refused.status_code, refused.json()["code"]) == (409, "provider_refused")
    Payment.objects.update(state="paid", paid_at=timezone.now())
    asked = len(acme.heard)
    assert admin_client.post(**post).json()["pay_url"] is None
    assert len(acme.heard) == asked, "what is paid is not collected again"


@pytest.fixture
def own_broker(settings, monkeypatch):
    """A queue that no worker of the stack takes from."""
    url = settings.ENV.work_redis_url.rpartition("/")[0] + "/9"
    monkeypatch.setenv("SLUICE_WORK_REDIS_URL", url)
    broker = redis.Redis.from_url(url)
    broker.flushdb()
    yield broker
    broker.flushdb()


def test_the_demo_is_asked_over_the_same_wire(own_broker, order, ready, settings, now):
    """Its other end is the control plane's own, and collects from a task."""
    settings.ENV = replace(settings.ENV, control_plane_url=ready)
    payment = create_payment(order, "demo", now)
    assert providers.get("demo").begin(payment) is None
    assert own_broker.llen(WAITED_FOR) == 1
    tasks.demo_collect(str(payment.pk))
    order.refresh_from_db()
    assert order.state == "paid"
