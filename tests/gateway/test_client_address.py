"""Whose request it is: X-Forwarded-For counts from a trusted proxy, and its last stranger."""

from collections.abc import Callable
from itertools import count

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import SWITCHES, Item, Shop

# The tests' gateways trust 127.0.0.1, as the local stack does.
TRUSTED, STRANGER = "127.0.0.1", "127.0.0.2"
# One purchase an address, and nothing comes back during a case.
ONE = [{"by": "address", "level": "", "per_s": 0.001, "burst": 1}]

Buy = Callable[..., str]


@pytest.fixture(scope="module")
def popular(module_shop: Shop) -> Item:
    """An item of which an address may buy once."""
    module_shop.publish(rate_limits=ONE, switches=SWITCHES | {"rate_limits": 1})
    return module_shop.put_up(units=90, limit=9)


@pytest.fixture
def buy(popular: Item) -> Buy:
    """A function: buy as a new shopper from `source` with this X-Forwarded-For; the outcome."""

    def buy(forwarded: str | None, source: str = TRUSTED) -> str:
        number = next(shoppers)
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        who = f"s{number}"
        answer = popular.send(who, headers=headers, source=source, dev=f"dev-{number:05d}").answer()
        if answer.outcome == "rate_limited":
            assert_refused(answer, "rate_limited")
        return answer.outcome

    return buy


shoppers = count()


def test_a_trusted_proxy_says_whose_request_it_is(buy: Buy) -> None:
    assert buy("192.0.2.1") == "reserved"
    assert buy("192.0.2.1") == "rate_limited"
    assert buy("192.0.2.2") == "reserved"


def test_from_anybody_else_the_header_is_only_text(buy: Buy) -> None:
    assert buy("192.0.2.11", STRANGER) == "reserved"
    assert buy("192.0.2.12", STRANGER) == "rate_limited", "a stranger chose his own address"
    assert buy("192.0.2.11") == "reserved", "a stranger used up somebody else's limit"


def test_a_spoofed_first_hop_changes_nothing(buy: Buy) -> None:
    assert buy("198.51.100.1, 192.0.2.21") == "reserved"
    assert buy("198.51.100.2, 192.0.2.21") == "rate_limited"
    assert buy("198.51.100.3, 192.0.2.21, 127.0.0.1") == "rate_limited", "through two proxies"
    assert buy("198.51.100.1") == "reserved", "the first hop's address was charged"


def test_an_ipv6_client_is_his_64_bits_however_they_are_written(buy: Buy) -> None:
    assert buy("2001:db8::1") == "reserved"
    assert buy("2001:0DB8:0:0:0:0:0:1") == "rate_limited"
    assert buy("2001:db8::ffff:2") == "rate_limited", "he has 2^64 of them"
    assert buy("2001:db8:0:1::1") == "reserved"


@pytest.mark.parametrize(
    "rubbish",
    ["", "unknown", "999.1.1.1", "1.2.3", "::g", "'; --", "_hidden", "a" * 900, "192.0.2.31,"],
)
def test_rubbish_counts_as_the_peers_own_address(buy: Buy, rubbish: str) -> None:
    first = buy(rubbish)
    assert first in {"reserved", "rate_limited"}
    assert buy(rubbish) == "rate_limited", "rubbish is as good as a new address"


def test_rubbish_before_an_address_does_not_hide_it(buy: Buy) -> None:
    assert buy("rubbish, 192.0.2.41") == "reserved"
    assert buy("other rubbish, 192.0.2.41") == "rate_limited"


@pytest.mark.parametrize(
    "header",
    [
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "Sluice-Address",
    ],
)
def test_no_other_header_names_an_address(popular: Item, buy: Buy, header: str) -> None:
    buy(None)  # whoever comes straight from here has bought by now
    value = "for=192.0.2.51" if header == "Forwarded" else "192.0.2.51"
    with popular.untouched():
        answer = popular.buy(f"h-{header}", headers={header: value}, dev=f"device-{header}")
    assert_refused(answer, "rate_limited")
