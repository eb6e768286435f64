"""API keys: shown once, kept as a hash, found, limited, ended."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from control_plane.api import services
from control_plane.api.models import ApiKey
from control_plane.api.scopes import Scope
from control_plane.api.tests.conftest import problem

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns/"


def test_only_a_hash_of_the_secret_is_kept(new_key):
    key, token = new_key()
    secret = token.rsplit("_", 1)[0] and token[len(f"slk_{key.prefix}_") :]
    assert len(secret) == 43, "256 bits"
    row = ApiKey.objects.values().get()
    assert secret not in str(row)
    assert len(row["secret_hash"]) == 64


def test_its_user_cannot_log_in_and_is_no_staff(new_key, client):
    user = new_key()[0].user
    assert not user.has_usable_password()
    assert not user.is_staff
    said = {"username": user.username, "password": ""}
    assert client.post("/admin/login/", said).status_code == 200
    assert "_auth_user_id" not in client.session


def test_one_key_may_not_make_campaigns_and_approve_them(new_key):
    with pytest.raises(ValidationError):
        new_key("campaigns:write", "campaigns:approve")
    assert new_key("campaigns:approve", "campaigns:read")[0].pk


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.replace("slk_", "slk_f", 1),
        lambda token: "",
        lambda token: "nonsense",
        lambda token: token + "\n",
    ],
)
def test_a_wrong_token_is_refused(new_key, spoil, now):
    with pytest.raises(services.BadKey) as refused:
        services.find_key(spoil(new_key()[1]), now)
    assert refused.value.code == "bad_token"


def test_a_wrong_key_is_refused_in_the_same_words(client, new_key):
    _, token = new_key()
    for wrong in (f"slk_{'0' * 12}_{token[-43:]}", token[:-43] + "A" * 43):
        answer = client.get(URL, headers={"authorization": f"Bearer {wrong}"})
        assert problem(answer) == (401, "bad_token")


def test_an_expired_key_says_so(client, new_key, now):
    _, token = new_key(at=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    answer = client.get(URL, headers={"authorization": f"Bearer {token}"})
    assert problem(answer) == (401, "key_expired")


def test_a_revoked_key_ends_at_once_and_once(call, now):
    assert call("get", URL).status_code == 200
    key = ApiKey.objects.get()
    assert services.revoke_key(key.pk, now)
    assert not services.revoke_key(key.pk, now)
    assert problem(call("get", URL)) == (401, "key_revoked")


def test_last_used_is_written_at_most_once_a_minute(new_key, now, django_assert_num_queries):
    _, token = new_key()
    services.find_key(token, now)
    with django_assert_num_queries(1):
        services.find_key(token, now + timedelta(seconds=59))
    assert ApiKey.objects.get().last_used_at == now
    services.find_key(token, now + timedelta(seconds=60))
    assert ApiKey.objects.get().last_used_at == now + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("scopes", "how", "field"),
    [([], {}, "scopes"), (["x:y"], {}, "scopes"), (["orders:read"], {"ends": -1}, "expires_at")],
)
def test_it_makes_no_key_that_is_good_for_nothing(merchant, now, scopes, how, field):
    ends = now + timedelta(days=how["ends"]) if how else None
    with pytest.raises(ValidationError) as refused:
        services.create_key(merchant, "x", scopes, by=None, now=now, expires_at=ends)
    assert field in refused.value.message_dict


def test_a_scope_that_is_missing_is_named(call_with, shop):
    answer = call_with(Scope.ORDERS_READ)("get", URL)
    assert problem(answer) == (403, "missing_scope")
    assert answer.json()["title"] == "The API key lacks the scope campaigns:read."


def test_it_says_so_in_chinese(call_with, shop):
    answer = call_with(Scope.ORDERS_READ)("get", URL, accept_language="zh-hans")
    assert problem(answer) == (403, "missing_scope")
    assert answer.json()["title"] == "API 密钥缺少权限范围 campaigns:read。"


def test_writing_does_not_include_reading(call_with, shop):
    assert problem(call_with(Scope.CAMPAIGNS_WRITE)("get", URL)) == (403, "missing_scope")


def test_a_key_beside_a_session_counts(client, new_key, admin_user):
    client.force_login(admin_user)
    _, token = new_key(Scope.ORDERS_READ)
    answer = client.get(URL, headers={"authorization": f"Bearer {token}"})
    assert problem(answer) == (403, "missing_scope")
