"""What is left of the attack corpus: cases that no file about a single step has. README.md has all.

Each asserts the refusal, and that stock, queue and counters are as they were.
"""

import base64
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.gateway.client import TIMEOUT_S, get, request_text, send, speak
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import BODY, SWITCHES, Item, Shop, signed
from tests.redis.waiting import until

STRANGER = "127.0.0.2"
INTERNAL_HEADERS = {
    "Sluice-Shopper": "vip",
    "Sluice-Item": "1",
    "Sluice-Level": "vip",
    "Sluice-Bucket": "vip",
    "Sluice-Outcome": "reserved",
    "Sluice-Internal-Token": "x",
    "X-Sluice-Shopper": "vip",
    "X-Sluice-Level": "vip",
    "X-Sluice-Address": "192.0.2.1",
    "X-Sluice-Risk": "0",
    "X-Sluice-Bypass": "1",
}


@pytest.fixture(scope="module")
def popular(module_shop: Shop) -> Item:
    """An item that everybody here fails to buy."""
    return module_shop.put_up(units=50)


@pytest.fixture
def item(popular: Item) -> Iterator[Item]:
    """`popular`; no case may take a unit of it."""
    with popular.untouched():
        yield popular


def lines(item: Item, *more: str) -> list[str]:
    """The header lines of a good purchase, and some more."""
    return [f"{name}: {value}" for name, value in item.headers("ann").items()] + list(more)


@pytest.mark.parametrize("name", INTERNAL_HEADERS)
def test_an_internal_header_from_outside_does_nothing(shop: Shop, popular: Item, name: str) -> None:
    """Neither does it let in who is refused, nor does it say who somebody is."""
    headers = {name: INTERNAL_HEADERS[name]}
    with popular.untouched():
        without = popular.buy("ann", headers=headers | {"Authorization": "Bearer a.b.c"})
        assert_refused(without, "bad_token")
    item = shop.put_up()
    first = item.buy("ann", headers=headers)
    assert first.outcome == "reserved"
    (intent,) = item.shard.intents()
    assert (intent["shopper"], intent["level"]) == ("ann", "regular")
    with item.untouched():
        assert item.buy("ann").body == first.body


def test_no_header_gets_around_a_limit_a_rule_or_a_ban(shop: Shop) -> None:
    deny = {"id": 1, "kind": "shopper", "value": "ann", "mode": "enforce", "action": "deny"}
    item = shop.put_up()
    shop.publish(risk_rules=[deny])
    with item.untouched():
        for name, value in INTERNAL_HEADERS.items():
            assert_refused(item.buy("ann", headers={name: value}, source=STRANGER), "denied")
        assert_refused(item.buy("ann", headers=INTERNAL_HEADERS), "denied")
    shop.publish(risk_rules=[])


def test_a_flood_of_one_address_takes_its_burst_and_no_more(shop: Shop) -> None:
    rules = [{"by": "address", "level": "", "per_s": 0.001, "burst": 3}]
    shop.publish(rate_limits=rules, switches=SWITCHES | {"rate_limits": 1})
    item = shop.put_up(units=500)
    tokens = [
        [f"{name}: {value}" for name, value in item.headers(f"f{n}", dev=f"flood-{n:04d}").items()]
        for n in range(300)
    ]
    sent = [
        request_text("POST", item.buy_path, [*one, "Content-Length: 9"], BODY) for one in tokens
    ]
    answers = speak(shop.gateway.port, *sent)  # all behind each other on one connection
    told = [answer.outcome for answer in answers]
    assert told.count("reserved") == 3
    assert set(told) == {"reserved", "rate_limited"}
    assert item.shard.books().sold == 3
    shop.publish(switches=SWITCHES)


def test_many_flooding_connections_keep_nobody_out(shop: Shop) -> None:
    rules = [{"by": "address", "level": "", "per_s": 0.001, "burst": 1}]
    shop.publish(rate_limits=rules, switches=SWITCHES | {"rate_limits": 1})
    item = shop.put_up(units=50)
    text = request_text("POST", item.buy_path, lines(item, "Content-Length: 9"), BODY)

    def flood() -> None:
        with socket.create_connection(
            ("127.0.0.1", shop.gateway.port), TIMEOUT_S, (STRANGER, 0)
        ) as line:
            for _ in range(100):
                line.sendall(text)
                line.recv(65536)

    threads = [threading.Thread(target=flood) for _ in range(20)]
    for thread in threads:
        thread.start()
    for number in range(5):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        answer = item.buy(f"good-{number}", headers=headers, dev=f"device-good-{number}")
        assert answer.outcome == "reserved"
    for thread in threads:
        thread.join()
    assert item.shard.books().sold == 6
    shop.publish(switches=SWITCHES)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param({"kid": "e-1/../e-1"}, id="kid as a path"),
        pytest.param({"kid": "' OR 1=1 --"}, id="kid as SQL"),
        pytest.param({"alg": "none"}, id="no algorithm"),
        pytest.param({"alg": "HS512"}, id="another algorithm"),
        pytest.param({"alg": "RS256"}, id="a public key's algorithm"),
        pytest.param({"jku": "http://127.0.0.1/keys"}, id="keys from elsewhere"),
        pytest.param({"jwk": {"kty": "oct", "k": "AAAA"}}, id="its own key"),
        pytest.param({"crit": ["exp"]}, id="a rule that nobody knows"),
        pytest.param({"typ": "at+jwt"}, id="another type"),
    ],
)
def test_a_token_that_brings_its_own_rules_is_refused(item: Item, token: dict[str, object]) -> None:
    good = item.token("ann").split(".")
    header = {"alg": "HS256", "typ": "JWT", "kid": "e-1"} | token
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    for signature in (good[2], ""):
        forged = f"Bearer {first}.{good[1]}.{signature}"
        assert_refused(item.buy("ann", headers={"Authorization": forged}), "bad_token")


def test_a_token_of_the_shops_session_or_of_the_console_is_no_entry_token(item: Item) -> None:
    claims = {"iss": "demo", "aud": "sluice", "sub": "ann", "iat": 1, "exp": 2**31}
    for forged in (signed(claims, "e-1"), signed(claims | {"item": item.id}, "e-1")):
        refused = item.buy("ann", headers={"Authorization": f"Bearer {forged}"})
        assert_refused(refused, "bad_token")


def test_other_peoples_reservations_are_not_there(shop: Shop) -> None:
    item, other = shop.put_up(), shop.put_up()
    mine = item.buy("ann").json["reservation_id"]
    with item.untouched(), other.untouched():
        assert_refused(item.status(mine, "bob"), "not_found")
        assert_refused(other.status(mine, "ann"), "not_found")
        headers = {"Authorization": f"Bearer {item.token('bob')}", "Sluice-Shopper": "ann"}
        answer = get(shop.gateway.port, f"/v1/reservations/{mine}", headers)
        assert_refused(answer, "not_found")


def flushed(shop: Shop) -> None:
    """Return when the worker has written every count so far: a later one is among them."""
    known = shop.gateway.counted("buys", "not_found")
    assert_refused(send(shop.gateway.port, "POST", "/v1/items/999999/x/buy").answer(), "not_found")
    until(lambda: shop.gateway.counted("buys", "not_found") > known, "counts are written")


def test_refusals_are_counted_as_what_they_are_and_as_nothing_else(shop: Shop) -> None:
    item = shop.put_up()
    flushed(shop)
    before = {name: shop.gateway.counted("buys", name) for name in ("reserved", "bad_token")}
    for _ in range(3):
        item.buy("ann", headers={"Authorization": "Bearer a.b.c"})
    flushed(shop)
    assert shop.gateway.counted("buys", "bad_token") == before["bad_token"] + 3
    assert shop.gateway.counted("buys", "reserved") == before["reserved"]
