"""Merchants in the admin."""

import pytest

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
