"""API keys in the admin."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission

from control_plane.api import services
from control_plane.api.models import ApiKey

pytestmark = pytest.mark.django_db

URL = "/admin/api/apikey/"


@pytest.fixture
def form(merchant):
    return {"merchant": merchant.pk, "name": "shop system", "scopes": ["orders:read"]}


def test_the_token_is_shown_once(admin_client, form, now):
    answer = admin_client.post(f"{URL}add/", form)
    page = answer.content.decode()
    token = page.split('id="token">')[1].split("<")[0]
    key = services.find_key(token, now)
    assert (key.name, key.scopes, str(key.created_by)) == ("shop system", ["orders:read"], "admin")
    assert "no-store" in answer["Cache-Control"]
    secret = token.rsplit(key.prefix, 1)[1]
    for address in (URL, f"{URL}{key.pk}/change/", f"{URL}{key.pk}/history/"):
        assert secret not in admin_client.get(address).content.decode()


def test_it_ends_with_its_last_day(admin_client, form, now):
    day = (now + timedelta(days=3)).date()
    admin_client.post(f"{URL}add/", form | {"expires_at": day.isoformat()})
    ends = ApiKey.objects.get().expires_at
    assert ends is not None
    assert ends.date() == day + timedelta(days=1)
    assert (ends.hour, ends.minute) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scopes": []}, "This field is required."),
        ({"name": ""}, "This field is required."),
        ({"expires_at": "2020-01-01"}, "The end must be in the future."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(admin_client, form, changes, said):
    assert said in admin_client.post(f"{URL}add/", form | changes).content.decode()
    assert not ApiKey.objects.exists()


def test_it_is_revoked_with_a_reason(admin_client, new_key):
    key, _ = new_key()
    assert "Revoke" in admin_client.get(f"{URL}{key.pk}/change/").content.decode()
    answer = admin_client.post(f"{URL}{key.pk}/revoke/", {"reason": "leaked"}, follow=True)
    assert "is revoked." in answer.content.decode()
    assert ApiKey.objects.get().revoked_at is not None
    assert "leaked" in admin_client.get(f"{URL}{key.pk}/history/").content.decode()


def test_whoever_may_look_may_not_make_one(client, django_user_model):
    user = django_user_model.objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    client.force_login(user)
    assert client.get(URL).status_code == 200
    assert client.get(f"{URL}add/").status_code == 403
