"""Sessions and the keys that sign them."""

from datetime import timedelta

import jwt
import pytest

from control_plane.merchants import services
from control_plane.merchants.models import Merchant
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def _verify(token, key, now):
    secret = jwt.utils.base64url_decode(key.secret)
    claims = jwt.decode(token, secret, ["HS256"], audience="sluice", options={"verify_exp": False})
    assert claims["iat"] == now.timestamp()
    return claims


def test_a_session_carries_exactly_its_claims(merchant, now):
    key = services.create_session_key(merchant)
    token = services.sign_session(merchant, "u-1", HOUR, now)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": key.kid}
    start = int(now.timestamp())
    assert _verify(token, key, now) == {
        "iss": "shop",
        "aud": "sluice",
        "sub": "u-1",
        "iat": start,
        "exp": start + 3600,
    }


def test_the_newest_active_key_signs(merchant, now):
    older = services.create_session_key(merchant)
    newer = services.create_session_key(merchant)
    token = services.sign_session(merchant, "u-1", HOUR, now)
    assert jwt.get_unverified_header(token)["kid"] == newer.kid
    newer.active = False
    newer.save()
    token = services.sign_session(merchant, "u-1", HOUR, now)
    assert jwt.get_unverified_header(token)["kid"] == older.kid


@pytest.mark.parametrize("shopper", ["", "x" * 65, "a b", "a\n", "茶", "a/b"])
def test_it_refuses_a_shopper_id_of_another_shape(merchant, now, shopper):
    services.create_session_key(merchant)
    with pytest.raises(services.BadShopper):
        services.sign_session(merchant, shopper, HOUR, now)


@pytest.mark.parametrize("lifetime", [timedelta(0), -HOUR, timedelta(days=1, seconds=1)])
def test_it_refuses_a_lifetime_out_of_range(merchant, now, lifetime):
    services.create_session_key(merchant)
    with pytest.raises(services.BadLifetime):
        services.sign_session(merchant, "u-1", lifetime, now)


def test_it_refuses_to_sign_without_a_key(merchant, now):
    with pytest.raises(services.NoSessionKey):
        services.sign_session(merchant, "u-1", HOUR, now)


def test_a_new_key_reaches_the_edge(merchant):
    key = services.create_session_key(merchant)
    published = Snapshot.objects.latest("version").document["merchants"]
    assert published == {"shop": {"session_keys": [{"kid": key.kid, "secret": key.secret}]}}
    assert len(jwt.utils.base64url_decode(key.secret)) == services.SECRET_BYTES


def test_the_demo_merchant_is_made_once():
    first = services.ensure_demo_merchant()
    again = services.ensure_demo_merchant()
    assert first == again == Merchant.objects.get(slug="demo")
    assert first.session_keys.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_demo_merchant_gets_one_key_when_many_ask_at_once(at_once):
    Merchant.objects.create(slug="demo", name="Demo shop")
    merchants = at_once([services.ensure_demo_merchant] * 4)
    assert len({merchant.pk for merchant in merchants}) == 1
    assert merchants[0].session_keys.count() == 1
