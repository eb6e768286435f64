"""What a snapshot document says to the scorer, and what it may leave out."""

import pytest

from workers.risk.settings import Configuration, DistinctRule, Thresholds, configuration_of

RULE = {
    "id": 12,
    "item": None,
    "kind": "velocity",
    "mode": "shadow",
    "action": "deny",
    "until_ms": None,
    "of": "device",
    "distinct": "shopper",
    "more_than": 3,
    "within_s": 60,
}


def test_a_document_of_before_the_switches_enforces_the_built_in_rules():
    document = {"version": 5, "items": {"7": {}}, "switches": {"sale_enabled": True}}
    read = configuration_of(document)
    assert read == Configuration(5, "enforce", {7: "enforce"}, ())


def test_an_items_switch_is_complete_and_the_others_follow_all():
    document = {
        "version": 5,
        "switches": {"risk_mode": "shadow"},
        "items": {"7": {"switches": {"risk_mode": "off"}}, "8": {}},
    }
    read = configuration_of(document)
    assert (read.mode_of(7), read.mode_of(8), read.mode_of(9)) == ("off", "shadow", "shadow")


def test_velocity_rules_that_deny_are_taken_and_no_others():
    others = [
        RULE | {"action": "challenge"},
        {"id": 13, "kind": "device", "action": "deny", "value": "x"},
    ]
    read = configuration_of({"version": 5, "risk_rules": [RULE, *others]})
    assert read.velocity == (DistinctRule("rule 12", "device", "shopper", 3, 60, "shadow"),)


def test_a_mode_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="risk_mode 'on'"):
        configuration_of({"version": 5, "switches": {"risk_mode": "on"}})


@pytest.mark.parametrize(
    "changed",
    [{"refusal_share": 0.96}, {"shared_refusal_share": 0.99}, {"refusals_per_network": 40}],
)
def test_thresholds_that_contradict_each_other_are_refused(changed):
    with pytest.raises(ValueError, match="must"):
        Thresholds(**changed)
