"""What is done without a form of the admin stands in the trail too: who, to what."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.utils import timezone, translation
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from control_plane.api import services as api
from control_plane.board.models import WallLink
from control_plane.config.audit.trail import Wanted, newest
from control_plane.orders.models import Order
from control_plane.webhooks import services as webhooks
from control_plane.webhooks.models import Endpoint, OffReason

pytestmark = pytest.mark.django_db
ENROLL = "/admin/second-factor/enroll/"


@pytest.fixture
def key(merchant):
    scopes = ["orders:cancel", "webhooks:write"]
    return api.create_key(merchant, "tool", scopes, by=None, now=timezone.now())


@pytest.fixture
def post(client, key):
    """A function: POST with the merchant's key."""

    def send(url, method="post", **body):
        how = {"content_type": "application/json", "data": body} if body else {}
        return getattr(client, method)(url, headers={"authorization": f"Bearer {key[1]}"}, **how)

    return send


@pytest.fixture
def endpoint(merchant):
    one = Endpoint(merchant=merchant, url="https://shop.example/h", events=["order.paid"])
    return webhooks.create_endpoint(one, timezone.now())


def _told(source="buttons"):
    """(who, subject, what) of the newest line."""
    line = newest(Wanted(source=source), 1)[0]
    return line.who, line.subject, line.what


def _code(device):
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift).token():06}"


@pytest.fixture
def no_trail():
    """A function: from now on PostgreSQL takes no line of the trail."""

    def build():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE django_admin_log ADD CONSTRAINT n CHECK (false) NOT VALID")

    return build


def test_what_a_page_cannot_write_down_it_does_not_do(admin_client, no_trail):
    ann = User.objects.create_user("ann")
    TOTPDevice.objects.create(user=ann, confirmed=True)
    no_trail()
    with pytest.raises(IntegrityError):
        admin_client.post(f"/admin/auth/user/{ann.pk}/second-factor/", {"reason": "lost it"})
    assert TOTPDevice.objects.exists()


def test_nor_does_a_campaigns_button(admin_client, approved, no_trail):
    no_trail()
    with pytest.raises(IntegrityError):
        admin_client.post(f"/admin/campaigns/campaign/{approved.pk}/end/", {"reason": "over"})
    approved.refresh_from_db()
    assert approved.ended_at is None


def test_nor_does_who_enrolls_or_ends_his_own_second_factor(admin_client, admin_user, no_trail):
    admin_client.get(ENROLL)
    device = TOTPDevice.objects.get()
    no_trail()
    with pytest.raises(IntegrityError):
        admin_client.post(ENROLL, {"code": _code(device)})
    device.refresh_from_db()
    assert not device.confirmed
    TOTPDevice.objects.update(confirmed=True, last_t=-1)
    admin_client.post("/admin/second-factor/", {"code": _code(device)})
    TOTPDevice.objects.update(last_t=-1)
    with pytest.raises(IntegrityError):
        admin_client.post("/admin/second-factor/end/", {"code": _code(device)})
    assert TOTPDevice.objects.exists()


def test_a_wall_link_made_and_withdrawn(admin_client):
    admin_client.post("/board/walls/", {"place": "Hall 3", "hours": "12"})
    assert _told() == ("admin", "Hall 3", "Wall link made")
    chosen = {"action": "withdraw", "_selected_action": [WallLink.objects.get().pk]}
    for _again in range(2):
        admin_client.post("/admin/board/walllink/", chosen)
        assert _told() == ("admin", "Hall 3", "Wall link withdrawn")
    lines = [one for one in newest(Wanted(source="buttons"), 9) if one.subject == "Hall 3"]
    assert len(lines) == 2


def test_a_wall_link_that_was_refused_is_no_line(admin_client):
    admin_client.post("/board/walls/", {"place": " ", "hours": "12"})
    assert not newest(Wanted(source="buttons"), 1)


def test_an_order_cancelled_over_the_api(post, key, item, open_epoch):
    now = timezone.now()
    open_epoch(units=4)
    order = Order.objects.create(
        reservation_id="r",
        item=item,
        shard=0,
        epoch=1,
        shopper="u",
        qty=1,
        amount_minor=1,
        currency="CNY",
        reserved_at=now,
        created_at=now,
        pay_by=now + timedelta(hours=1),
    )
    url = f"/api/v1/orders/{order.number}/cancel/"
    assert post(url).status_code == 200
    assert _told() == (str(key[0].user), str(order), "Cancel order (over the API)")
    assert post(url).status_code == 409
    assert len(newest(Wanted(source="buttons"), 9)) == 1


def test_a_delivery_sent_again_and_a_ping_over_the_api(post, key, endpoint):
    who, url = str(key[0].user), "/api/v1/webhooks"
    assert post(f"{url}/endpoints/{endpoint.pk}/ping/").status_code == 202
    assert _told() == (who, str(endpoint), "Send a test (over the API)")
    delivery = endpoint.deliveries.get()
    assert post(f"{url}/deliveries/{delivery.pk}/redeliver/").status_code == 202
    assert _told() == (who, str(delivery), "Deliver again (over the API)")


def test_a_secret_rotated_and_retired_over_the_api(post, key, endpoint):
    url = f"/api/v1/webhooks/endpoints/{endpoint.pk}"
    assert post(f"{url}/rotate_secret/").status_code == 201
    assert _told()[2] == "Rotate the secret (over the API)"
    assert post(f"{url}/retire_secret/").status_code == 200
    assert _told() == (str(key[0].user), str(endpoint), "End the older secret (over the API)")
    assert post(f"{url}/retire_secret/").status_code == 409
    assert len(newest(Wanted(source="buttons"), 9)) == 2


def test_an_endpoint_changed_over_the_api(post, key, endpoint):
    url = f"/api/v1/webhooks/endpoints/{endpoint.pk}/"
    assert post(url, "patch", active=False, events=["order.cancelled"]).status_code == 200
    row = endpoint.history.first()
    assert (row.active, row.events, row.history_user) == (False, ["order.cancelled"], key[0].user)


def test_an_endpoint_that_the_sender_switched_off(endpoint):
    webhooks.switch_off(endpoint, OffReason.FAILING)
    row = endpoint.history.first()
    assert (row.active, row.off_reason, row.history_user) == (False, "failing", None)


def test_a_second_factor_enrolled_and_ended(client):
    ann = User.objects.create_superuser("ann")
    client.force_login(ann)
    client.get(ENROLL)
    device = TOTPDevice.objects.get()
    assert "recovery" in client.post(ENROLL, {"code": _code(device)}).content.decode()
    assert _told() == ("ann", "ann", "Second factor enrolled")
    assert client.post("/admin/second-factor/end/", {"code": "000000"}).status_code == 200
    assert _told()[2] == "Second factor enrolled"
    TOTPDevice.objects.update(last_t=-1, throttling_failure_count=0)
    client.post("/admin/second-factor/end/", {"code": _code(device)})
    assert _told() == ("ann", "ann", "Second factor ended")


def test_a_second_factor_reset_by_somebody_else(admin_client):
    ann = User.objects.create_user("ann", is_staff=True)
    TOTPDevice.objects.create(user=ann, confirmed=True, name="app")
    admin_client.post(f"/admin/auth/user/{ann.pk}/second-factor/", {"reason": "lost phone"})
    assert _told() == ("admin", "ann", "Reset second factor: lost phone")


def test_an_api_key_made_and_revoked(admin_client, merchant):
    form = {"merchant": merchant.pk, "name": "shop system", "scopes": ["orders:read"]}
    admin_client.post("/admin/api/apikey/add/", form)
    key = merchant.api_keys.get()
    assert _told() == ("admin", str(key), "New API key")
    admin_client.post(f"/admin/api/apikey/{key.pk}/revoke/", {"reason": "leaked"})
    assert _told() == ("admin", str(key), "Revoke: leaked")


def test_it_is_kept_in_english_and_told_in_the_readers_language(admin_client, endpoint, post):
    """Nobody can change a line of the trail, and not everybody reads the doer's language."""
    chinese = {"accept-language": "zh-hans"}
    ann = User.objects.create_user("ann")
    reset = f"/admin/auth/user/{ann.pk}/second-factor/"
    assert admin_client.post(reset, {"reason": "lost: 手机"}, headers=chinese).status_code == 302
    link = admin_client.post("/board/walls/", {"place": "H", "hours": "1"}, headers=chinese)
    assert link.status_code == 200
    assert post(f"/api/v1/webhooks/endpoints/{endpoint.pk}/rotate_secret/").status_code == 201
    with translation.override("zh-hans"):
        lines = newest(Wanted(source="buttons"), 3)
        told = ["重置两步验证: lost: 手机", "已创建大屏链接", "轮换密钥（通过 API）"]
        assert [line.what for line in reversed(lines)] == told
    kept = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(kept) == [
        "Reset second factor: lost: 手机",
        "Wall link made",
        "Rotate the secret (API)",
    ]
    assert _told()[2] == "Rotate the secret (over the API)"
