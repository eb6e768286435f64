"""`POST /api/v1/payments` of merchants' tools, `…/demo/payments` of the demo's shoppers."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from control_plane.merchants import services as merchants
from control_plane.merchants.models import Merchant
from control_plane.orders.services import end_order
from control_plane.payments.demo.provider import DemoProvider
from control_plane.payments.errors import ProviderUnavailable
from control_plane.payments.models import Payment

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/demo/payments"


@pytest.fixture
def now():
    """The view reads the real clock."""
    return timezone.now()


@pytest.fixture
def begun(monkeypatch):
    """Payments that the demo's provider was asked to collect."""
    asked = []
    monkeypatch.setattr(DemoProvider, "begin", lambda self, payment: asked.append(payment.pk))
    return asked


@pytest.fixture
def session(merchant, now):
    """A builder of sessions of the order's shop."""
    merchants.create_session_key(merchant)

    def sign(shopper="ann", at=now, lifetime=timedelta(hours=1)):
        return merchants.sign_session(merchant, shopper, lifetime, at)

    return sign


@pytest.fixture
def pay(client, order, begun):
    def post(token, reservation_id=order.reservation_id, **more):
        body = {"reservation_id": reservation_id, **more}
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return client.post(URL, body, content_type="application/json", headers=headers)

    return post


def test_a_shopper_pays_for_his_order(pay, session, order, begun):
    answer = pay(session())
    payment = Payment.objects.get()
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "payment_id": str(payment.pk),
            "order_number": order.number,
            "amount_minor": 1999,
            "currency": "CNY",
        },
    )
    assert begun == [payment.pk]


def test_a_repeat_is_the_same_payment_and_collected_again(pay, session, begun):
    assert pay(session()).json() == pay(session()).json()
    assert len(begun) == 2


def test_other_peoples_and_unknown_reservations_are_not_found(pay, session, order, begun):
    assert pay(session("bob")).status_code == 404
    other = order.reservation_id[:-1] + ("a" if order.reservation_id[-1] != "a" else "b")
    assert pay(session(), other).status_code == 404
    assert (Payment.objects.count(), begun) == (0, [])


def test_a_session_of_another_shop_is_not_his(pay, order, now):
    stranger = Merchant.objects.create(slug="other", name="Other")
    merchants.create_session_key(stranger)
    token = merchants.sign_session(stranger, "ann", timedelta(hours=1), now)
    assert pay(token).status_code == 404


def test_an_order_that_has_ended_is_refused(pay, session, order):
    assert end_order(order.pk, "cancelled", timezone.now())
    answer = pay(session())
    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")


def _forged(token, **changes):
    head, claims, mac = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(claims + "=="))
    told = base64.urlsafe_b64encode(json.dumps(content | changes).encode()).decode().rstrip("=")
    return f"{head}.{told}.{mac}"


def test_a_session_that_is_wrong_is_refused(pay, session, now):
    good = session()
    unsigned = jwt.encode({"sub": "ann"}, None, "none", headers={"kid": "x"})
    wrong = [
        "",
        "rubbish",
        unsigned,
        good + "x",
        _forged(good, sub="bob"),
        session(at=now - timedelta(hours=2)),
        session(at=now + timedelta(minutes=5)),
    ]
    for token in wrong:
        answer = pay(token)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_token"), token


def test_a_retired_key_signs_no_more(pay, session, merchant):
    token = session()
    merchant.session_keys.update(active=False)
    assert pay(token).status_code == 401


@pytest.mark.parametrize("reservation_id", ["", "x", "7-0-abc", ["7"], None, 7])
def test_a_wrong_reservation_is_named(pay, session, reservation_id):
    answer = pay(session(), reservation_id)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["reservation_id"]


def test_it_does_not_exist_where_the_demo_is_off(pay, session, settings):
    settings.ENV = replace(settings.ENV, demo=False)
    assert pay(session()).status_code == 404
    assert not Payment.objects.exists()


def test_a_provider_that_cannot_be_reached_is_busy_and_a_repeat_is_safe(pay, session, monkeypatch):
    def away(self, payment):
        raise ProviderUnavailable("away")

    monkeypatch.setattr(DemoProvider, "begin", away)
    answer = pay(session())
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert Payment.objects.count() == 1


def test_merchants_tools_create_payments(admin_client, client, order, begun):
    body = {"order_number": order.number, "provider": "demo"}
    post = {"path": "/api/v1/payments", "data": body, "content_type": "application/json"}
    assert client.post(**post).status_code == 401
    made = admin_client.post(**post)
    assert (made.status_code, made.json()["order_number"]) == (200, order.number)
    assert admin_client.post(**post).json() == made.json()
    assert len(begun) == 2, "a repeat has it collected again"
    body["provider"] = "nobody"
    assert list(admin_client.post(**post).json()["errors"]) == ["provider"]
    body |= {"provider": "demo", "order_number": "S9999999999999999999"}
    assert admin_client.post(**post).status_code == 404
