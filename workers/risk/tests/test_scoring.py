"""Which behaviour is punished, which is not, and that each threshold is what keeps them apart."""

import pytest

from workers.risk.event import Event
from workers.risk.scoring import Scorer
from workers.risk.settings import Configuration, DistinctRule, Thresholds

NOW_MS = 1_800_000_000_000
LIMITS = Thresholds()


def scorer(mode="enforce", **changed):
    """One that enforces, with `changed` configuration."""
    one = Scorer()
    one.configure(Configuration(1, mode, **changed))
    return one


def event(at_s=0.0, **fields):
    """An ordinary purchase."""
    usual = Event(NOW_MS + int(at_s * 1000), 7, "reserved", "ann", "device-1", "10.0.0.1")
    return usual._replace(**fields)


def verdicts(one, events):
    """(kind, value, rule) of all of them, each once."""
    return {(v.kind, v.value, v.rule) for event in events for v in one.look(event)}


def robots_shoppers(count, every_s=1.0):
    """One device that tries as many shoppers."""
    return [event(n * every_s, shopper=f"s{n}", address=f"10.0.{n}.1") for n in range(count)]


def test_a_device_that_tries_more_shoppers_than_a_household_has_is_banned():
    assert verdicts(scorer(), robots_shoppers(LIMITS.shoppers_per_device)) == set()
    found = verdicts(scorer(), robots_shoppers(LIMITS.shoppers_per_device + 1))
    assert found == {("device", "device-1", "shoppers_per_device")}


def test_the_same_number_in_a_longer_time_is_nothing():
    slow = LIMITS.shoppers_within_s / LIMITS.shoppers_per_device
    assert verdicts(scorer(), robots_shoppers(50, every_s=slow)) == set()


def test_one_shopper_who_comes_again_and_again_is_one():
    again = [event(n / 3, shopper=f"s{n % 5}") for n in range(30)]
    assert verdicts(scorer(), again) == set()


def test_an_account_on_many_devices_is_banned_as_a_shopper():
    farm = [event(n, device=f"device-{n}", address=f"10.0.{n}.1") for n in range(6)]
    assert verdicts(scorer(), farm) == {("shopper", "ann", "devices_per_shopper")}


def test_a_device_that_heeds_no_limit_is_banned():
    limited = [event(n / 20, outcome="rate_limited") for n in range(190)]
    found = verdicts(scorer(), limited)
    assert ("device", "device-1", "requests_per_device") in found


def test_a_sampled_answer_counts_for_all_it_stands_for():
    sampled = [event(n, outcome="not_found", weight=16) for n in range(5)]
    assert verdicts(scorer(), sampled) == {("device", "device-1", "requests_per_device")}


def test_an_address_that_sends_bad_tokens_is_banned():
    forger = [
        event(n / 10, outcome="bad_token", shopper="", device="")
        for n in range(LIMITS.refusals_per_address)
    ]
    assert verdicts(scorer(), forger) == {("address", "10.0.0.1", "refusals_per_address")}


def crowd(people=300, seconds=10):
    """A university behind one address: the limit of an address refuses nearly all of them."""
    for number in range(people * seconds // 2):
        at_s = number * 2 / people
        outcome = "reserved" if number % 50 == 0 else "rate_limited"
        who = number % people
        yield event(at_s, outcome=outcome, shopper=f"s{who}", device=f"device-{who}")


def test_a_crowd_behind_one_address_is_not_banned_for_its_size_or_its_limits():
    assert verdicts(scorer(), crowd()) == set()


def test_without_the_allowance_for_shared_addresses_it_would_be():
    strict = Scorer(Thresholds(shared_from_devices=10**6))
    strict.configure(Configuration(1, "enforce"))
    assert verdicts(strict, crowd()) == {("address", "10.0.0.1", "refusals_per_address")}


def test_a_crowd_with_a_forger_in_it_is_not_banned_for_him():
    forger = [event(n / 100, outcome="bad_token", shopper="", device="") for n in range(1000)]
    both = sorted([*crowd(), *forger])
    assert verdicts(scorer(), both) == set()


@pytest.mark.parametrize(("asked_meanwhile", "is_banned"), [(True, False), (False, True)])
def test_a_shared_address_is_as_shared_after_its_ban_as_before(asked_meanwhile, is_banned):
    """A gateway refuses a banned address before it knows the device."""
    denied = [event(10 + n, outcome="denied", shopper="", device="") for n in range(300)]
    limited = [event(310 + n / 10, outcome="rate_limited") for n in range(50)]
    found = verdicts(scorer(), [*crowd(), *denied * asked_meanwhile, *limited])
    assert (("address", "10.0.0.1", "refusals_per_address") in found) == is_banned


def turns(addresses, each, outcome="bad_token"):
    """Addresses of one /24 that take turns."""
    for number in range(addresses * each):
        address = f"10.9.9.{number % addresses}"
        yield event(
            number * 9 / (addresses * each), outcome=outcome, shopper="", device="", address=address
        )


def test_a_network_whose_addresses_take_turns_is_banned_and_none_of_them():
    assert verdicts(scorer(), turns(20, 11)) == {("network", "10.9.9.0/24", "refusals_per_network")}


def test_a_network_is_never_banned_for_volume():
    assert verdicts(scorer(), turns(20, 500, outcome="sold_out")) == set()


def test_a_network_from_which_people_buy_is_not_banned():
    people = turns(20, 2, outcome="reserved")
    assert verdicts(scorer(), sorted([*turns(20, 11), *people])) == set()


def test_a_few_addresses_are_no_network():
    found = verdicts(scorer(), turns(LIMITS.addresses_per_network - 1, 39))
    assert found == set()


def test_in_ipv6_a_subscriber_has_a_network():
    forger = [
        event(n / 10, outcome="bad_token", shopper="", device="", address=f"2001:db8:1:2::{n:x}")
        for n in range(40)
    ]
    assert verdicts(scorer(), forger) == {("network", "2001:db8:1:2::/64", "refusals_per_address")}


@pytest.mark.parametrize("address", ["", "unix:", "nobody", "10.0.0.256"])
def test_what_is_no_address_is_left_alone(address):
    odd = [event(n / 10, outcome="bad_token", device="", address=address) for n in range(100)]
    assert verdicts(scorer(), odd) == set()


VELOCITY = DistinctRule("rule 12", "address", "shopper", 3, 30)


def test_an_operators_rule_is_one_more():
    same_house = [event(n, shopper=f"s{n}", device=f"device-{n}") for n in range(4)]
    assert verdicts(scorer(), same_house) == set()
    found = verdicts(scorer(velocity=(VELOCITY,)), same_house)
    assert found == {("address", "10.0.0.1", "velocity")}


@pytest.mark.parametrize(
    ("field", "value", "is_banned"),
    [
        ("item", 7, True),
        ("item", 8, False),
        ("until_ms", NOW_MS + 60_000, True),
        ("until_ms", NOW_MS, False),
    ],
)
def test_an_operators_rule_holds_for_its_item_and_its_time(field, value, is_banned):
    rule = DistinctRule("rule 12", "address", "shopper", 3, 30, **{field: value})
    same_house = [event(n, shopper=f"s{n}", device=f"device-{n}") for n in range(4)]
    assert bool(verdicts(scorer(velocity=(rule,)), same_house)) is is_banned


def test_a_rule_that_stays_goes_on_with_what_it_has_seen():
    one = scorer(velocity=(VELOCITY,))
    first, last = (
        [event(n, shopper=f"s{n}", device=f"d{n}") for n in range(3)],
        event(3, shopper="s3", device="d3"),
    )
    assert verdicts(one, first) == set()
    one.configure(Configuration(2, "enforce", velocity=(VELOCITY,)))
    assert verdicts(one, [last]) == {("address", "10.0.0.1", "velocity")}


def modes(one):
    return {verdict.mode for event in robots_shoppers(8) for verdict in one.look(event)}


def test_in_shadow_it_says_what_it_would_do():
    assert modes(scorer(mode="shadow")) == {"shadow"}


def test_switched_off_it_says_nothing():
    assert modes(scorer(mode="off")) == set()


def test_an_items_mode_is_its_own():
    assert modes(scorer(mode="off", modes_of_items={7: "enforce"})) == {"enforce"}
    assert modes(scorer(mode="enforce", modes_of_items={7: "off"})) == set()


def test_before_any_snapshot_was_read_nobody_is_banned():
    assert modes(Scorer()) == {"shadow"}


def test_what_is_remembered_is_bounded():
    one = scorer()
    for number in range(120_000):
        address = f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}"
        one.look(event(device=f"d{number}", shopper=f"s{number}", address=address))
    assert one.sizes() == {
        "device": 100_000,
        "address": 100_000,
        "network": 469,
        "shopper": 100_000,
    }
