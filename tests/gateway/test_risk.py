"""Risk rules of the snapshot: each kind, each action, watched and enforced."""

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import SWITCHES, Item, Shop
from tests.gateway.waiting_line import put_in_line, starts_later
from tests.redis.waiting import until

HOME, OTHER = "192.0.2.7", "198.51.100.7"


@pytest.fixture(scope="module")
def workers() -> int:
    """Two: what a velocity rule counts is shared."""
    return 2


def rule(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """A rule as the snapshot lists it."""
    usual = {"id": number, "item": None, "until_ms": None, "mode": "enforce", "action": "deny"}
    return usual | {"kind": kind} | fields


@pytest.fixture
def ruled(shop: Shop) -> Callable[..., Item]:
    """A function: publish these rules, in force, and put up an item."""

    def put_up(*rules: dict[str, Any], risk_mode: str = "enforce", **fields: Any) -> Item:
        shop.publish(risk_rules=list(rules), switches=SWITCHES | {"risk_mode": risk_mode})
        return shop.put_up(units=200, **fields)

    return put_up


def from_(address: str, **headers: str) -> dict[str, str]:
    """Headers of a request that a trusted proxy passes on."""
    return {"X-Forwarded-For": address, **headers}


ANN_AT_HOME: dict[str, Any] = {
    "headers": from_(HOME, **{"User-Agent": "Mozilla CurlyBot/3"}),
    "dev": "device-of-ann",
}


of_each_kind = pytest.mark.parametrize(
    "fields",
    [
        {"kind": "cidr", "cidr": "192.0.2.0/24"},
        {"kind": "cidr", "cidr": "192.0.2.7/32"},
        {"kind": "device", "value": "device-of-ann"},
        {"kind": "shopper", "value": "ann"},
        {"kind": "user_agent", "value": "curlybot"},
        {"kind": "score", "min_score": 70},
    ],
    ids=lambda fields: f"{fields['kind']}",
)


@of_each_kind
@pytest.mark.parametrize(("action", "code"), [("deny", "denied"), ("challenge", "challenge")])
def test_who_matches_is_refused_and_others_are_not(
    ruled: Callable[..., Item], fields: dict[str, Any], action: str, code: str
) -> None:
    item = ruled(rule(1, action=action, **fields))
    with item.untouched():
        assert_refused(item.buy("ann", rs=70, **ANN_AT_HOME), code)
    assert item.buy("bob", rs=69, headers=from_(OTHER)).outcome == "reserved"


@of_each_kind
def test_a_challenge_is_satisfied_by_who_passed_a_puzzle_and_nothing_else_is(
    ruled: Callable[..., Item], fields: dict[str, Any]
) -> None:
    item = ruled(rule(1, action="challenge", **fields))
    now = int(time.time())
    with item.untouched():
        over = item.buy("ann", rs=70, pz=now, **ANN_AT_HOME)
        assert_refused(over, "challenge")
        assert over.json["detail"] == "puzzle"
    assert item.buy("ann", rs=70, pz=now + 600, **ANN_AT_HOME).outcome == "reserved"
    strict = ruled(rule(1, action="challenge", **fields), rule(2, **fields))
    with strict.untouched():
        assert_refused(strict.buy("ann", rs=70, pz=now + 600, **ANN_AT_HOME), "denied")


def test_too_many_shoppers_of_a_device_pass_a_puzzle_each(ruled: Callable[..., Item]) -> None:
    counting = {"of": "device", "distinct": "shopper", "more_than": 1, "within_s": 600}
    item = ruled(rule(64, "velocity", action="challenge", **counting))
    told = [item.buy(f"s{number}", dev="device-of-three").outcome for number in range(3)]
    assert told == ["reserved", "challenge", "challenge"]
    counts_until = int(time.time()) + 600
    assert item.buy("s1", dev="device-of-three", pz=counts_until).outcome == "reserved"
    assert_refused(item.buy("s2", dev="device-of-three"), "challenge")


def test_who_is_challenged_in_a_line_keeps_his_place(shop: Shop) -> None:
    shop.publish(risk_rules=[], switches=SWITCHES | {"risk_mode": "enforce"})
    line = put_in_line(shop, "regular", "slow")
    told = line.queued("ann")
    line.queued("bob")
    asked = rule(1, "shopper", value="ann", action="challenge")
    shop.publish(risk_rules=[asked], switches=SWITCHES | {"risk_mode": "enforce"})
    passed = line.item.token("ann", pz=int(time.time()) + 600)
    with line.item.untouched():
        assert_refused(line.buy("ann", told["ticket"]), "challenge")
        again = line.queued("ann", told["ticket"], headers={"Authorization": f"Bearer {passed}"})
    assert again["place"] == told["place"]


def test_the_lobby_is_challenged_as_a_purchase_is(shop: Shop) -> None:
    asked = rule(1, "shopper", value="ann", action="challenge")
    shop.publish(risk_rules=[asked], switches=SWITCHES | {"risk_mode": "enforce"})
    line = put_in_line(shop, mode="draw", **starts_later(shop))
    refused = line.join("ann")
    assert_refused(refused, "challenge")
    assert refused.json["detail"] == "puzzle"
    assert line.join("ann", pz=int(time.time()) + 600).json["lobby_number"] == 0


def test_an_ipv6_network_is_matched_by_its_prefix(ruled: Callable[..., Item]) -> None:
    item = ruled(rule(1, "cidr", cidr="2001:db8:1::/48"))
    with item.untouched():
        assert_refused(item.buy("ann", headers=from_("2001:db8:1:ffff::1")), "denied")
    assert item.buy("bob", headers=from_("2001:db8:2::1")).outcome == "reserved"


def test_the_first_matching_rule_decides_and_allow_ends_the_search(
    ruled: Callable[..., Item],
) -> None:
    allow = rule(1, "shopper", value="ann", action="allow")
    item = ruled(allow, rule(2, "score", min_score=0))
    assert item.buy("ann").outcome == "reserved"
    with item.untouched():
        assert_refused(item.buy("bob"), "denied")


def test_a_rule_of_one_item_or_of_yesterday_is_for_nobody_else(ruled: Callable[..., Item]) -> None:
    now_ms = int(time.time() * 1000)
    over = rule(2, "shopper", value="ann", until_ms=now_ms - 1)
    item = ruled(rule(1, "shopper", value="ann", item=999_999), over)
    assert item.buy("ann").outcome == "reserved"


def test_a_rule_ends_by_itself(ruled: Callable[..., Item]) -> None:
    ends_ms = int(time.time() * 1000) + 700
    item = ruled(rule(1, "shopper", value="ann", until_ms=ends_ms))
    told = []

    def reserved() -> bool:
        told.append(item.buy("ann").outcome)
        return told[-1] == "reserved"

    until(reserved, "it has ended")
    assert set(told[:-1]) <= {"denied"}
    assert time.time() * 1000 >= ends_ms - 5


@pytest.mark.parametrize(
    ("mode", "risk_mode"), [("shadow", "enforce"), ("enforce", "shadow"), ("shadow", "shadow")]
)
def test_what_is_watched_is_counted_and_refuses_nobody(
    ruled: Callable[..., Item], shop: Shop, mode: str, risk_mode: str
) -> None:
    number = {"shadow": 31, "enforce": 32}[mode] + (10 if risk_mode == "shadow" else 0)
    item = ruled(rule(number, "shopper", value="ann", mode=mode), risk_mode=risk_mode)
    assert item.buy("ann").outcome == "reserved"
    label = f"{number}|deny|shadow"
    until(lambda: shop.gateway.counted("risk", label) == 1, "the match is counted")


def test_the_control_plane_hears_what_was_compared_and_matched(
    ruled: Callable[..., Item], shop: Shop
) -> None:
    item = ruled(rule(71, "shopper", value="ann", mode="shadow"))
    for shopper in ("ann", "bob"):
        item.buy(shopper)

    def told() -> list[Any]:
        risks = [beat["risk"] for beat in shop.plane.heartbeats if "risk" in beat]
        matches = risks[-1].get("matches", []) if risks else []
        return [one for one in matches if one[0] == 71 and risks[-1]["compared"] >= 2]

    assert until(told, "a heartbeat has the match") == [[71, "deny", "shadow", 1]]


def test_with_risk_off_nothing_is_looked_at(ruled: Callable[..., Item], shop: Shop) -> None:
    item = ruled(rule(51, "shopper", value="ann"), risk_mode="off")
    assert item.buy("ann").outcome == "reserved"
    buys = shop.gateway.counted("buys", "reserved")
    assert item.buy("bob").outcome == "reserved"
    until(lambda: shop.gateway.counted("buys", "reserved") > buys, "counters were written")
    assert not [name for name in shop.gateway.metrics() if name[1].startswith("51|")]


def test_an_item_may_watch_while_others_enforce(ruled: Callable[..., Item], shop: Shop) -> None:
    strict = ruled(rule(1, "shopper", value="ann"))
    watching = shop.put_up(switches=SWITCHES | {"risk_mode": "shadow"})
    assert_refused(strict.buy("ann"), "denied")
    assert watching.buy("ann").outcome == "reserved"


def test_a_challenge_is_not_asked_for_while_the_human_check_is_off(
    ruled: Callable[..., Item], shop: Shop
) -> None:
    item = ruled(rule(1, "shopper", value="ann", action="challenge"))
    assert_refused(item.buy("ann"), "challenge")
    shop.change(item, switches=SWITCHES | {"human_check": False})
    assert item.buy("ann").outcome == "reserved"


def test_too_many_shoppers_on_one_device_are_one_too_many(ruled: Callable[..., Item]) -> None:
    counting = {"of": "device", "distinct": "shopper", "more_than": 3, "within_s": 600}
    item = ruled(rule(61, "velocity", **counting))
    told = [item.buy(f"s{number}", dev="shared-device").outcome for number in range(5)]
    assert told == ["reserved"] * 3 + ["denied"] * 2
    again = [item.buy("s0", dev="device-of-s0").outcome for _ in range(5)]
    assert again == ["reserved"] * 5, "one shopper was counted several times"


def test_a_velocity_of_addresses_is_counted_after_the_proxy(ruled: Callable[..., Item]) -> None:
    counting = {"of": "address", "distinct": "shopper", "more_than": 2, "within_s": 600}
    item = ruled(rule(62, "velocity", **counting))
    told = [item.buy(f"s{number}", headers=from_("192.0.2.99")).outcome for number in range(4)]
    assert told == ["reserved"] * 2 + ["denied"] * 2
    assert item.buy("elsewhere", headers=from_("192.0.2.100")).outcome == "reserved"


def test_a_velocity_forgets_when_its_window_is_over(ruled: Callable[..., Item]) -> None:
    counting = {"of": "device", "distinct": "shopper", "more_than": 1, "within_s": 1}
    item = ruled(rule(63, "velocity", **counting))
    item.buy("first", dev="device-of-two")
    assert_refused(item.buy("second", dev="device-of-two"), "denied")
    until(lambda: item.buy("second", dev="device-of-two").outcome == "reserved", "it is over")


def test_who_is_slowed_down_without_a_queue_gets_through_at_times(
    ruled: Callable[..., Item],
) -> None:
    item = ruled(rule(1, "user_agent", value="curlybot", action="slow"))
    shoppers = [f"s{number:02d}" for number in range(80)]
    told = Counter[str]()
    for shopper in shoppers:
        answer = item.buy(shopper, headers={"User-Agent": "CurlyBot"})
        told[answer.outcome] += 1
        if answer.outcome == "busy":
            assert_refused(answer, "busy")
            assert 2000 <= answer.json["retry_after_ms"] <= 4000
    assert set(told) == {"busy", "reserved"}
    assert 0.5 < told["busy"] / told.total() < 0.95
    # Asking faster brings nothing: within a second the answer is the same.
    victim = f"{shoppers[0]}-faster"
    answers = [item.buy(victim, headers={"User-Agent": "CurlyBot"}).outcome for _ in range(8)]
    changes = sum(one != other for one, other in pairwise(answers))
    assert changes <= 2


def test_who_is_slowed_down_with_a_queue_waits_in_its_slow_bucket(shop: Shop) -> None:
    slow = rule(1, "user_agent", value="curlybot", action="slow")
    shop.publish(risk_rules=[slow], switches=SWITCHES | {"risk_mode": "enforce"})
    line = put_in_line(shop, "regular", "slow")
    with line.item.untouched():
        for number in range(12):
            told = line.queued(f"s{number}", headers={"User-Agent": "CurlyBot"})
            assert (told["bucket"], told["place"]) == ("slow", number)
        told = line.queued("ann")
        assert (told["bucket"], told["place"]) == ("regular", 0)


def test_a_rule_that_cannot_be_keeps_the_last_good_snapshot(
    ruled: Callable[..., Item], shop: Shop
) -> None:
    item = ruled(rule(1, "shopper", value="ann"))
    shop.gateway.expected_errors.append("risk rule 1 is malformed")
    bad = shop.next_version() | {"risk_rules": [rule(1, "cidr", cidr="10.0.0.1/8")]}
    shop.plane.publish(bad)
    until(lambda: "risk rule 1 is malformed" in shop.gateway.errors(), "it was looked at")
    assert_refused(item.buy("ann"), "denied")
