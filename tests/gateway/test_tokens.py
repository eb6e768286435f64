"""Entry tokens at the gateway. All ways to spoil one are in tests/vectors; here is the answer."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.client import Answer
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, entry_key, signed


@pytest.fixture(scope="module")
def popular(module_shop: Shop) -> Item:
    """An item that everybody here fails to buy."""
    return module_shop.put_up(units=50)


@pytest.fixture
def item(popular: Item) -> Iterator[Item]:
    """`popular`; no case may take a unit of it."""
    with popular.untouched():
        yield popular


def buy_with(item: Item, authorization: str) -> Answer:
    """Try to buy with this Authorization header."""
    return item.buy("ann", headers={"Authorization": authorization})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "sluice-edge"}, id="for somebody else"),
        pytest.param({"iss": "demo"}, id="from somebody else"),
        pytest.param({"sub": "ann\nbob"}, id="shopper with a line feed"),
        pytest.param({"sub": 'ann","qty":99,"x":"'}, id="shopper that would break the intent"),
        pytest.param({"dev": 'd","qty":99,"x":"'}, id="device that would break the intent"),
        pytest.param({"lvl": 'l","qty":99,"x":"'}, id="level that would break the intent"),
        pytest.param({"sub": ""}, id="no shopper"),
        pytest.param({"item": "1"}, id="item as text"),
        pytest.param({"rs": 101}, id="risk above 100"),
        pytest.param({"pz": "9999999999"}, id="puzzle as text"),
        pytest.param({"pz": None}, id="puzzle that is null"),
        pytest.param({"pz": [1]}, id="puzzle that is a list"),
        pytest.param({"pz": 1.5}, id="puzzle that is a fraction"),
        pytest.param({"pz": 9_999_999_999}, id="puzzle that counts for years"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(item: Item, changes: dict) -> None:
    assert_refused(buy_with(item, f"Bearer {item.token('ann', **changes)}"), "bad_token")


@pytest.mark.parametrize(
    ("claim", "in_seconds"),
    [
        pytest.param("exp", -6, id="expired"),
        pytest.param("nbf", 60, id="not valid yet"),
        pytest.param("exp", 3600, id="lives an hour"),
    ],
)
def test_a_token_of_another_time_is_refused(item: Item, claim: str, in_seconds: int) -> None:
    changes: dict[str, Any] = {claim: int(time.time()) + in_seconds}
    token = item.token("ann", **changes)
    assert_refused(buy_with(item, f"Bearer {token}"), "bad_token")


def test_a_token_for_another_item_is_refused(item: Item) -> None:
    token = item.token("ann", item=item.id + 1)
    assert_refused(buy_with(item, f"Bearer {token}"), "bad_token")


def test_a_token_of_an_unknown_key_is_refused(item: Item) -> None:
    assert_refused(buy_with(item, f"Bearer {item.token('ann', kid='e-9')}"), "bad_token")


def test_a_token_signed_with_another_key_is_refused(item: Item) -> None:
    ours, theirs = item.token("ann"), item.token("ann", kid="e-9")
    forged = ".".join([*ours.split(".")[:2], theirs.split(".")[2]])
    assert_refused(buy_with(item, f"Bearer {forged}"), "bad_token")


def test_a_token_whose_shopper_was_changed_is_refused(item: Item) -> None:
    header, payload, signature = item.token("ann").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "bob"}).encode())
    forged = f"{header}.{changed.decode().rstrip('=')}.{signature}"
    assert_refused(buy_with(item, f"Bearer {forged}"), "bad_token")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YW5uOmFubg==", "Bearer a.b.c", "Bearer ..", "x"],
)
def test_what_is_no_token_is_refused(item: Item, authorization: str) -> None:
    assert_refused(buy_with(item, authorization), "bad_token")


def test_the_reason_is_not_told(item: Item) -> None:
    answer = buy_with(item, f"Bearer {item.token('ann', exp=1)}")
    assert "detail" not in answer.json


def test_a_replayed_token_buys_nothing_more(shop: Shop) -> None:
    item = shop.put_up(units=5)
    authorization = f"Bearer {item.token('ann')}"
    first = buy_with(item, authorization)
    with item.untouched():
        assert buy_with(item, authorization).body == first.body


def test_the_token_says_who_buys_and_no_header_does(shop: Shop) -> None:
    item = shop.put_up(units=5)
    item.buy("ann", headers={"X-Sluice-Shopper": "bob", "X-Forwarded-For": "10.9.9.9"})
    (intent,) = item.shard.intents()
    assert intent["shopper"] == "ann"


def test_while_keys_rotate_both_are_good_and_then_only_the_new_one(shop: Shop) -> None:
    item = shop.put_up(units=5)
    shop.publish(entry_keys=[entry_key("e-2"), entry_key("e-1") | {"sign": False}])
    for kid in ("e-1", "e-2"):
        assert buy_with(item, f"Bearer {item.token(kid, kid=kid)}").outcome == "reserved"
    shop.publish(entry_keys=[entry_key("e-2")])
    assert_refused(buy_with(item, f"Bearer {item.token('bob', kid='e-1')}"), "bad_token")
    assert buy_with(item, f"Bearer {item.token('bob', kid='e-2')}").outcome == "reserved"
    shop.publish(entry_keys=[entry_key("e-1")])


def test_the_secret_behind_a_kid_counts_and_not_its_name(shop: Shop) -> None:
    item = shop.put_up(units=5)
    claims_of = item.token("ann")
    assert buy_with(item, f"Bearer {claims_of}").outcome == "reserved"
    shop.publish(entry_keys=[entry_key("e-2") | {"kid": "e-1"}])
    with item.untouched():
        assert_refused(buy_with(item, f"Bearer {claims_of}"), "bad_token")
    shop.publish(entry_keys=[entry_key("e-1")])
    assert signed({}, "e-1") != signed({}, "e-2")
