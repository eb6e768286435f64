"""Endpoints and the delivery log in the admin, in both languages."""

from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from control_plane.webhooks.models import Delivery, Endpoint
from control_plane.webhooks.tests.conftest import only

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/webhooks/endpoint/add/"


def _page(client, path, language="en"):
    answer = client.get(f"/admin/webhooks/{path}", headers={"accept-language": language})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture(autouse=True)
def strict(settings):
    """As outside of demos and tests."""
    settings.ENV = replace(settings.ENV, webhooks_private=False)


@pytest.fixture
def add(admin_client, merchant):
    def post(url, **fields):
        body = {"merchant": merchant.pk, "url": url, "events": ["order.paid"], "active": "on"}
        return admin_client.post(ADD, body | fields)

    return post


def test_an_endpoint_gets_its_first_secret(add, admin_client):
    assert add("https://shop.example/hooks").status_code == 302
    made = Endpoint.objects.get()
    assert (made.events, made.active) == (["order.paid"], True)
    secret = made.secrets.get().secret
    assert secret.startswith("whsec_")
    assert secret in _page(admin_client, f"endpoint/{made.pk}/change/")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://shop.example/", "The address must begin with https://."),
        ("https://shop.example:22/", "The address must be on port 443 or 8443."),
        ("https://10.0.0.1/", "The address leads into a private network."),
        ("https://sh op/", "This is no address that can be called."),
    ],
)
def test_an_address_that_would_not_be_called_is_refused_at_the_form(add, url, said):
    answer = add(url)
    assert said in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_a_demo_may_name_itself(add, settings):
    settings.ENV = replace(settings.ENV, webhooks_private=True)
    assert add("http://127.0.0.1:9999/hooks").status_code == 302


def test_switching_it_off_and_on_again(admin_client, endpoint, settings):
    settings.ENV = replace(settings.ENV, webhooks_private=True)
    Endpoint.objects.update(failures=7, failing_since=endpoint.created_at)
    url = f"/admin/webhooks/endpoint/{endpoint.pk}/change/"
    body = {"url": endpoint.url, "events": ["order.paid"], "change_reason": "they move"}
    assert admin_client.post(url, body).status_code == 302
    off = Endpoint.objects.get()
    assert (off.active, off.off_reason) == (False, "people")
    admin_client.post(url, body | {"active": "on"})
    on = Endpoint.objects.get()
    assert (on.active, on.off_reason, on.failures, on.failing_since) == (True, "", 0, None)


def test_the_buttons_ask_first_and_leave_a_trail(admin_client, endpoint):
    at = f"/admin/webhooks/endpoint/{endpoint.pk}"
    for name in ("ping", "rotate", "retire"):
        assert f"{at}/{name}/" in _page(admin_client, f"endpoint/{endpoint.pk}/change/")
        assert admin_client.get(f"{at}/{name}/").status_code == 200
    assert not Delivery.objects.exists(), "a link changes nothing"
    admin_client.post(f"{at}/ping/", {"reason": "new server"})
    assert only().type == "webhook.ping"
    admin_client.post(f"{at}/rotate/", {"reason": "leaked"})
    assert endpoint.secrets.count() == 2
    admin_client.post(f"{at}/retire/", {"reason": "leaked"})
    assert endpoint.secrets.count() == 1
    assert "new server" in LogEntry.objects.earliest("pk").change_message
    Endpoint.objects.update(active=False, off_reason="people")
    answer = admin_client.post(f"{at}/ping/", {"reason": "again"}, follow=True)
    assert "The endpoint is off." in answer.content.decode()


def test_the_log_shows_each_attempt(admin_client, tell, deliver, shop, endpoint):
    shop.answer = lambda _: (500, {}, b"<b>broken</b>")
    tell("order.confirmed")
    deliver()
    page = _page(admin_client, f"delivery/{only().pk}/change/")
    assert "status 500" in page and "&lt;b&gt;broken" in page and "<b>broken" not in page
    row = only()
    for term in (row.event_id, row.subject, row.order_number):
        assert row.event_id in _page(admin_client, f"delivery/?q={term}"), term
    assert row.event_id not in _page(admin_client, "delivery/?q=S0000000099")


def test_it_is_delivered_again_singly_and_in_bulk(admin_client, tell, deliver, shop, endpoint):
    tell("order.confirmed", number=1)
    tell("order.confirmed", number=2)
    deliver()
    first = Delivery.objects.earliest("pk")
    url = f"/admin/webhooks/delivery/{first.pk}/again/"
    admin_client.get(url)
    assert not Delivery.objects.filter(state="pending").exists()
    admin_client.post(url, {"reason": "they lost it"})
    assert list(Delivery.objects.filter(state="pending")) == [first]
    both = list(Delivery.objects.values_list("pk", flat=True))
    body = {"action": "deliver_again", "_selected_action": both}
    answer = admin_client.post("/admin/webhooks/delivery/", body, follow=True)
    assert "Delivered again: 2." in answer.content.decode()
    assert Delivery.objects.filter(state="pending").count() == 2


def test_who_may_only_look_sees_no_secret_and_presses_nothing(client, endpoint, tell, now):
    tell("order.confirmed")
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    page = _page(client, f"endpoint/{endpoint.pk}/change/")
    assert "whsec_" not in page and "/rotate/" not in page
    assert "/again/" not in _page(client, f"delivery/{only().pk}/change/")
    for path in (f"endpoint/{endpoint.pk}/rotate/", f"delivery/{only().pk}/again/"):
        assert client.post(f"/admin/webhooks/{path}", {"reason": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Send a test", "Deliver again", "order confirmed")),
        ("zh-hans", ("发送测试", "重新投递", "订单已确认")),
    ],
)
def test_the_pages_speak_both_languages(admin_client, endpoint, tell, language, words):
    tell("order.confirmed")
    assert words[0] in _page(admin_client, f"endpoint/{endpoint.pk}/change/", language)
    page = _page(admin_client, f"delivery/{only().pk}/change/", language)
    assert words[1] in page and words[2] in page
