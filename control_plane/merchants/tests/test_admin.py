"""Merchants in the admin."""

import pytest
from django.contrib.auth.models import Permission, User

from control_plane.merchants import services
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db
LIST = "/admin/merchants/merchant/"


def test_the_action_makes_a_key(admin_client, merchant):
    form = {"action": "create_key", "_selected_action": [merchant.pk]}
    page = admin_client.post(LIST, form, follow=True)
    key = merchant.session_keys.get()
    assert f"key {key.kid} created." in page.content.decode()


def test_a_key_switched_off_leaves_the_snapshot(admin_client, merchant):
    key = services.create_session_key(merchant)
    form = {
        "name": "Shop",
        "change_reason": "it leaked",
        "session_keys-TOTAL_FORMS": 1,
        "session_keys-INITIAL_FORMS": 1,
        "session_keys-0-id": key.pk,
        "session_keys-0-merchant": merchant.pk,
    }
    answer = admin_client.post(f"{LIST}{merchant.pk}/change/", form)
    assert answer.status_code == 302
    assert Snapshot.objects.latest("version").document["merchants"] == {}


def test_the_slug_of_a_merchant_cannot_be_changed(admin_client, merchant):
    page = admin_client.get(f"{LIST}{merchant.pk}/change/").content.decode()
    assert 'name="slug"' not in page
    assert 'name="slug"' in admin_client.get(f"{LIST}add/").content.decode()


def test_a_viewer_does_not_see_secrets(client, admin_client, merchant):
    key = services.create_session_key(merchant)
    user = User.objects.create_user("staff", is_staff=True)
    viewing = ["view_merchant", "view_sessionkey"]
    user.user_permissions.set(Permission.objects.filter(codename__in=viewing))
    client.force_login(user)
    url = f"{LIST}{merchant.pk}/change/"
    seen = client.get(url).content.decode()
    assert key.kid in seen
    assert key.secret not in seen
    assert key.secret in admin_client.get(url).content.decode()


def test_a_merchant_is_not_deleted(admin_client, merchant):
    answer = admin_client.post(f"{LIST}{merchant.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 403
