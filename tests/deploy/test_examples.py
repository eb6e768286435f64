"""What integrators copy, in three languages, against the real verifier and signer."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.merchants.models import Merchant, SessionKey
from control_plane.merchants.services import BadSession, read_session
from control_plane.webhooks import signing
from tests.deploy.environment import ROOT
from tests.deploy.shops import shops

SHOPS = shops()
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/webhooks.json").read_text())
NOW_S = 1_795_348_800
NOW = datetime.fromtimestamp(NOW_S, UTC)
# With the two signs in which base64url differs from base64.
SECRET = "-_8" + "A" * 40
each_language = pytest.mark.parametrize("language", SHOPS)


@pytest.fixture
def key(db: None) -> SessionKey:
    merchant = Merchant.objects.create(slug="shop", name="Shop")
    return SessionKey.objects.create(merchant=merchant, kid="shop-1", secret=SECRET)


@each_language
def test_its_session_is_taken(language: str, key: SessionKey) -> None:
    token = SHOPS[language].sign("shop", key.kid, SECRET, "ann:7", NOW_S)
    assert read_session(token, NOW) == ("shop", "ann:7")


@each_language
def test_its_session_for_a_shop_that_is_not_the_keys_is_refused(
    language: str, key: SessionKey
) -> None:
    token = SHOPS[language].sign("other", key.kid, SECRET, "ann:7", NOW_S)
    with pytest.raises(BadSession):
        read_session(token, NOW)


@each_language
def test_all_languages_sign_the_same_bytes(language: str) -> None:
    arguments = ("shop", "shop-1", SECRET, "ann:7", NOW_S)
    assert SHOPS[language].sign(*arguments) == SHOPS["python"].sign(*arguments)


@each_language
def test_it_reads_every_golden_webhook(language: str) -> None:
    for vector in VECTORS["valid"]:
        body = vector["body"].encode()
        read = SHOPS[language].read(vector["secret"], vector["headers"], body, vector["now_s"])
        assert read == json.loads(body), vector["name"]


@each_language
def test_it_refuses_every_bad_one(language: str) -> None:
    for vector in VECTORS["invalid"]:
        with pytest.raises(ValueError, match=r"wrong signature|too old"):
            SHOPS[language].read(
                vector["secret"], vector["headers"], vector["body"].encode(), vector["now_s"]
            )


@each_language
def test_it_reads_what_the_control_plane_signs(language: str) -> None:
    body = '{"id":"evt_9","data":{"campaign":"春茶"}}'.encode()
    secret = VECTORS["valid"][1]["secret"]
    headers = signing.headers([secret], "evt_9", NOW_S, body)
    assert SHOPS[language].read(secret, headers, body, NOW_S)["id"] == "evt_9"
