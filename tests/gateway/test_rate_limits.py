"""How often one address, device, shopper or level may buy, and what a refusal costs."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.client import Answer
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import SWITCHES, Item, Shop
from tests.redis.waiting import until

# Slow enough that nothing comes back during a case.
SLOW = {"per_s": 0.01, "burst": 2}


@pytest.fixture(scope="module")
def workers() -> int:
    """Two: the limit is the gateway's, not a worker's."""
    return 2


def rule(by: str, level: str = "", **changes: Any) -> dict[str, Any]:
    """A limit as the snapshot lists it."""
    return {"by": by, "level": level, **SLOW, **changes}


@pytest.fixture
def limited(shop: Shop) -> Callable[..., Item]:
    """A function: publish these rules, in force, and put up an item; all before count as new."""

    def put_up(*rules: dict[str, Any], scale: float = 1) -> Item:
        shop.publish(rate_limits=list(rules), switches=SWITCHES | {"rate_limits": scale})
        return shop.put_up(units=50, limit=50)

    return put_up


def outcomes(times: int, buy: Callable[[int], Answer]) -> list[str]:
    """What so many purchases in a row hear; each on a connection of its own."""
    return [buy(number).outcome for number in range(times)]


IN_TURN = ["reserved", "reserved", "rate_limited", "rate_limited"]


def test_one_address_has_its_burst_whoever_it_says_it_is(limited: Callable[..., Item]) -> None:
    item = limited(rule("address"))

    def buy(number: int) -> Answer:
        shopper, device = f"address-{number}", f"address-device-{number}"
        return item.buy(shopper, source="127.0.0.11", dev=device)

    assert outcomes(4, buy) == IN_TURN
    assert item.buy("elsewhere", source="127.0.0.12").outcome == "reserved"


def test_one_device_has_its_burst_from_any_address(limited: Callable[..., Item]) -> None:
    item = limited(rule("device"))

    def buy(number: int) -> Answer:
        return item.buy(f"device-{number}", source=f"127.0.1.{number + 1}", dev="one-device")

    assert outcomes(4, buy) == IN_TURN
    assert item.buy("device-4", dev="another-device").outcome == "reserved"


def test_one_shopper_has_his_burst_with_any_token(limited: Callable[..., Item]) -> None:
    item = limited(rule("shopper"))

    def buy(number: int) -> Answer:
        return item.buy("shopper-of-many-tokens", key=str(number), dev=f"his-device-{number}")

    assert outcomes(4, buy) == IN_TURN
    assert item.buy("another-shopper").outcome == "reserved"


def test_a_level_shares_one_bucket_at_one_item(limited: Callable[..., Item], shop: Shop) -> None:
    item = limited(rule("level", "vip"))
    assert outcomes(4, lambda number: item.buy(f"vip-{number}", lvl="vip")) == IN_TURN
    assert item.buy("regular").outcome == "reserved"
    other = shop.put_up()
    assert other.buy("vip-9", lvl="vip").outcome == "reserved"


def test_a_level_may_have_limits_of_its_own(limited: Callable[..., Item]) -> None:
    item = limited(rule("shopper"), rule("shopper", "vip", burst=3))
    assert outcomes(3, lambda number: item.buy("usual", key=str(number))) == IN_TURN[:3]
    told = outcomes(4, lambda number: item.buy("preferred", key=str(number), lvl="vip"))
    assert told == ["reserved"] * 3 + ["rate_limited"]


def test_without_rules_an_address_has_three_a_second(shop: Shop) -> None:
    shop.document.pop("rate_limits", None)
    shop.publish(switches=SWITCHES | {"rate_limits": 0.01})  # too slow for a fourth to come back
    item = shop.put_up(units=9, limit=9)
    told = outcomes(4, lambda number: item.buy(f"d{number}", source="127.0.0.21", dev="d" * 9))
    assert told == ["reserved"] * 3 + ["rate_limited"]


def test_a_refusal_says_exactly_when_it_will_be_admitted(limited: Callable[..., Item]) -> None:
    item = limited(rule("shopper", per_s=4, burst=1))
    assert item.buy("exact", key="1").outcome == "reserved"
    began = time.monotonic()
    with item.untouched():
        refused = item.buy("exact", key="2")
    assert_refused(refused, "rate_limited")
    assert 1 <= refused.json["retry_after_ms"] <= 250
    until(lambda: item.buy("exact", key="2").outcome == "reserved", "it is admitted")
    waited_ms = (time.monotonic() - began) * 1000
    # nginx's clock has whole milliseconds, and the answer was on its way too.
    assert waited_ms >= refused.json["retry_after_ms"] - 5


def test_who_is_refused_by_one_limit_pays_nothing_at_the_others(
    limited: Callable[..., Item],
) -> None:
    item = limited(rule("address"), rule("device"), rule("shopper", burst=1))
    home = "127.0.0.31"
    assert item.buy("payer", source=home, dev="device-of-payer").outcome == "reserved"
    for number in range(5):
        with item.untouched():
            refused = item.buy("payer", key=str(number), source=home, dev="device-of-payer")
        assert_refused(refused, "rate_limited")
    told = item.buy("his-sister", source=home, dev="device-of-payer")
    assert told.outcome == "reserved", "the refused ones had used up address or device"


def test_the_scale_makes_limits_wider_and_zero_puts_them_off(
    limited: Callable[..., Item], shop: Shop
) -> None:
    item = limited(rule("shopper", burst=1))
    assert item.buy("scaled", key="1").outcome == "reserved"
    assert_refused(item.buy("scaled", key="2"), "rate_limited")
    shop.publish(switches=SWITCHES | {"rate_limits": 0})
    assert outcomes(5, lambda number: item.buy("scaled", key=f"off{number}")) == ["reserved"] * 5
    shop.publish(switches=SWITCHES | {"rate_limits": 100})
    assert item.buy("faster", key="1").outcome == "reserved"
    assert_refused(item.buy("faster", key="2"), "rate_limited")
    until(lambda: item.buy("faster", key="2").outcome == "reserved", "a second is enough now")


def test_an_items_own_scale_is_its_own(limited: Callable[..., Item], shop: Shop) -> None:
    item = limited(rule("shopper", burst=1))
    free = shop.put_up(units=9, limit=9, switches=SWITCHES)
    assert item.buy("both", key="1").outcome == "reserved"
    assert_refused(item.buy("both", key="2"), "rate_limited")
    assert outcomes(3, lambda number: free.buy("both", key=str(number))) == ["reserved"] * 3


def test_a_snapshot_with_a_malformed_limit_is_refused_whole(
    limited: Callable[..., Item], shop: Shop
) -> None:
    item = limited(rule("shopper", burst=1))
    shop.gateway.expected_errors.append("a rate limit is malformed")
    version = shop.document["version"]
    bad = shop.next_version() | {"rate_limits": [rule("shopper", per_s=0)]}
    shop.document["version"] = version
    shop.plane.publish(bad)
    until(lambda: "a rate limit is malformed" in shop.gateway.errors(), "it was looked at")
    assert shop.gateway.versions() == [version] * 2
    assert item.buy("still", key="1").outcome == "reserved"
    shop.document["version"] = bad["version"]
    shop.publish(switches=SWITCHES)
