"""Payments and refunds in the admin, in both languages."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from control_plane.orders.services import end_order
from control_plane.payments.models import PaymentException, Refund
from control_plane.payments.services import Mismatch, open_exceptions, receive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refund(order, payment, event, now):
    """One that has failed."""
    end_order(order.pk, "cancelled", now)
    receive("demo", event(), now)
    Refund.objects.update(state="failed", last_error="404: unknown", attempts=1)
    return Refund.objects.get()


def _page(client, path, language="en"):
    answer = client.get(f"/admin/payments/{path}", headers={"accept-language": language})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("term", ["{payment.pk}", "{order.number}", "{order.reservation_id}"])
def test_a_payment_is_found_by_all_its_names(admin_client, order, payment, term):
    wanted = term.format(payment=payment, order=order)
    assert str(payment.pk) in _page(admin_client, f"payment/?q={wanted}")
    assert str(payment.pk) not in _page(admin_client, "payment/?q=nothing")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("payment", "the order was cancelled", "Try again")),
        ("zh-hans", ("支付", "订单已取消", "重试")),
    ],
)
def test_the_pages_speak_both_languages(admin_client, refund, language, words):
    page = _page(admin_client, f"payment/{refund.payment_id}/change/", language)
    assert words[0] in page and words[1] in page
    assert words[2] in _page(admin_client, f"refund/{refund.pk}/change/", language)


def test_a_failed_refund_is_tried_again_with_a_reason(admin_client, refund):
    url = f"/admin/payments/refund/{refund.pk}/retry/"
    assert admin_client.get(url).status_code == 200
    assert Refund.objects.get().state == "failed", "a link changes nothing"
    admin_client.post(url, {"reason": ""})
    assert Refund.objects.get().state == "failed", "nobody said why"
    admin_client.post(url, {"reason": "spoke to them"})
    assert (Refund.objects.get().state, Refund.objects.get().attempts) == ("due", 0)
    assert "spoke to them" in LogEntry.objects.get().change_message
    answer = admin_client.post(url, {"reason": "again"}, follow=True)
    assert "Only a failed refund can be tried again." in answer.content.decode()


def test_who_may_only_look_has_no_button_and_cannot_press_it(client, refund):
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    assert "retry" not in _page(client, f"refund/{refund.pk}/change/")
    assert (
        client.post(f"/admin/payments/refund/{refund.pk}/retry/", {"reason": "x"}).status_code
        == 403
    )
    assert Refund.objects.get().state == "failed"


def test_an_order_shows_its_payments(admin_client, order, payment):
    page = admin_client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert f"/admin/payments/payment/{payment.pk}/change/" in page


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("another amount", "Close")), ("zh-hans", ("金额不符", "关闭"))],
)
def test_a_callback_that_does_not_fit_is_closed_by_somebody_who_looked(
    admin_client, payment, event, now, language, words
):
    wrong = event(amount_minor=1)
    with pytest.raises(Mismatch):
        receive("demo", wrong, now)
    row = PaymentException.objects.get()
    page = _page(admin_client, f"paymentexception/{row.pk}/change/", language)
    assert words[0] in page and words[1] in page
    assert "1 CNY" in page and "1999 CNY" in page, "what was told beside what was agreed"
    url = f"/admin/payments/paymentexception/{row.pk}/resolve/"
    admin_client.get(url)
    assert open_exceptions() == 1, "a link changes nothing"
    admin_client.post(url, {"reason": "they mended it"})
    assert open_exceptions() == 0
    assert str(row) not in _page(admin_client, "paymentexception/?open=1")
    with pytest.raises(Mismatch):
        receive("demo", wrong, now)
    assert open_exceptions() == 1, "told again, open again"
