"""Risk rules: what each kind needs, what the snapshot says, and how they end."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone

from control_plane.config import schedule
from control_plane.risk import rules, services, tasks
from control_plane.risk.models import RiskChange, RiskRule
from control_plane.snapshot import document
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
EMPTY = {"cidr": "", "value": ""}


def _trail():
    changes = RiskChange.objects.order_by("pk")
    return [(change.subject, change.verb, str(change.by or "")) for change in changes]


@pytest.mark.parametrize(
    ("fields", "published_as"),
    [
        ({}, {"kind": "cidr", "cidr": "10.0.0.0/8"}),
        ({"cidr": " 2001:DB8::/32 "}, {"kind": "cidr", "cidr": "2001:db8::/32"}),
        ({"cidr": "203.0.113.9"}, {"kind": "cidr", "cidr": "203.0.113.9/32"}),
        (
            {"kind": "device", **EMPTY, "value": "a1b2c3d4"},
            {"kind": "device", "value": "a1b2c3d4"},
        ),
        ({"kind": "shopper", **EMPTY, "value": "u:1"}, {"kind": "shopper", "value": "u:1"}),
        (
            {"kind": "user_agent", **EMPTY, "value": "Python-Requests"},
            {"kind": "user_agent", "value": "python-requests"},
        ),
        ({"kind": "score", **EMPTY, "min_score": 80}, {"kind": "score", "min_score": 80}),
        (
            {"kind": "velocity", **EMPTY, "of": "device", "more_than": 3, "within_s": 60},
            {
                "kind": "velocity",
                "of": "device",
                "distinct": "shopper",
                "more_than": 3,
                "within_s": 60,
            },
        ),
    ],
)
def test_each_kind_is_published_with_its_own_fields(create_rule, published, fields, published_as):
    rule = create_rule(**fields)
    assert published()["risk_rules"] == [
        {
            "id": rule.pk,
            "item": None,
            "mode": "enforce",
            "action": "deny",
            "until_ms": None,
            **published_as,
        }
    ]


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"cidr": ""}, {"cidr": "A rule of this kind needs it."}),
        (
            {"cidr": "10.0.0.1/8"},
            {"cidr": "The address is inside of the network. Do you mean 10.0.0.0/8?"},
        ),
        ({"cidr": "10.0.0.0/33"}, {"cidr": "A network such as 10.0.0.0/8"}),
        ({"cidr": "example.org"}, {"cidr": "A network such as 10.0.0.0/8"}),
        ({"value": "x"}, {"value": "A rule of this kind does not look at it."}),
        ({"min_score": 5}, {"min_score": "A rule of this kind does not look at it."}),
        ({"kind": "device", "cidr": ""}, {"value": "A rule of this kind needs it."}),
        ({"kind": "device", **EMPTY, "value": "short"}, {"value": "8 to 64 characters"}),
        ({"kind": "shopper", **EMPTY, "value": "a b"}, {"value": "1 to 64 characters"}),
        ({"kind": "user_agent", **EMPTY, "value": "moz"}, {"value": "4 to 200 characters"}),
        (
            {"kind": "user_agent", **EMPTY, "value": "机器人机器人"},
            {"value": "4 to 200 characters"},
        ),
        ({"kind": "score", "cidr": ""}, {"min_score": "A rule of this kind needs it."}),
        ({"kind": "score", **EMPTY, "min_score": 0}, {"min_score": "greater than or equal to 1"}),
        ({"kind": "score", **EMPTY, "min_score": 101}, {"min_score": "less than or equal to 100"}),
        (
            {"kind": "velocity", "cidr": ""},
            {
                "of": "A rule of this kind needs it.",
                "more_than": "A rule of this kind needs it.",
                "within_s": "A rule of this kind needs it.",
            },
        ),
        (
            {"kind": "velocity", **EMPTY, "of": "device", "more_than": 1, "within_s": 3601},
            {"within_s": "less than or equal to 3600"},
        ),
        ({"kind": "nothing"}, {"kind": "not a valid choice"}),
        ({"action": "kill"}, {"action": "not a valid choice"}),
        ({"mode": "off"}, {"mode": "not a valid choice"}),
        ({"note": "  "}, {"note": "cannot be blank"}),
        ({"priority": 1001}, {"priority": "less than or equal to 1000"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_created(create_rule, fields, errors):
    with pytest.raises(ValidationError) as refused:
        create_rule(**fields)
    messages = refused.value.message_dict
    assert set(messages) == set(errors)
    for field, sentence in errors.items():
        assert sentence in messages[field][0]
    assert not RiskRule.objects.exists()
    assert not Snapshot.objects.exists()


def test_the_end_must_be_in_the_future(create_rule, now):
    with pytest.raises(ValidationError, match="in the future"):
        create_rule(until=now)


def test_they_are_compared_by_priority_and_of_equal_ones_the_older_first(
    create_rule, published, item, now
):
    second = create_rule(priority=5)
    third = create_rule(priority=5, item=item, until=now + MINUTE, mode="shadow")
    first = create_rule(priority=1, action="allow")
    listed = published()["risk_rules"]
    assert [rule["id"] for rule in listed] == [first.pk, second.pk, third.pk]
    assert listed[2]["item"] == item.pk
    assert listed[2]["mode"] == "shadow"
    assert listed[2]["until_ms"] == document.epoch_ms(now + MINUTE)


def test_a_change_is_checked_published_and_written_down(create_rule, published, now):
    user = User.objects.create(username="ann")
    rule = create_rule(mode="shadow")
    services.change_rule(rule.pk, {"mode": "enforce", "priority": 7}, user, now)
    assert published()["risk_rules"][0]["mode"] == "enforce"
    with pytest.raises(ValidationError, match="needs it"):
        services.change_rule(rule.pk, {"kind": "score", "cidr": ""}, user, now)
    assert _trail() == [("riskrule", "created", ""), ("riskrule", "changed", "ann")]
    values = RiskChange.objects.latest("pk").values
    assert (values["mode"], values["priority"], values["cidr"]) == ("enforce", 7, "10.0.0.0/8")


def test_an_ended_rule_is_out_of_the_snapshot_and_stays_as_it_was(create_rule, published, now):
    user = User.objects.create(username="ann")
    rule = create_rule()
    services.end_rule(rule.pk, user, now)
    assert published()["risk_rules"] == []
    with pytest.raises(services.RuleOver):
        services.end_rule(rule.pk, user, now)
    with pytest.raises(services.RuleOver):
        services.change_rule(rule.pk, {"priority": 1}, user, now)
    assert _trail() == [("riskrule", "created", ""), ("riskrule", "ended", "ann")]


def test_the_clock_ends_a_rule_at_its_time_and_not_before(create_rule, published, now):
    rule = create_rule(until=now + MINUTE)
    create_rule(until=now + 2 * MINUTE)
    create_rule()
    assert services.end_due_rules(now + MINUTE - timedelta(milliseconds=1)) == 0
    versions = Snapshot.objects.count()
    assert services.end_due_rules(now + MINUTE) == 1
    assert rule.pk not in [one["id"] for one in published()["risk_rules"]]
    assert services.end_due_rules(now + MINUTE) == 0
    assert Snapshot.objects.count() == versions + 1
    change = RiskChange.objects.latest("pk")
    assert (change.verb, change.by, change.by_clock) == ("ended", None, True)


def test_what_has_expired_does_not_wait_for_the_clock(create_rule, now):
    create_rule(until=now + MINUTE)
    assert len(document.build(now)["risk_rules"]) == 1
    assert document.build(now + MINUTE)["risk_rules"] == []


def test_a_tick_without_work_asks_and_does_no_more(create_rule, now, django_assert_num_queries):
    create_rule()
    with django_assert_num_queries(3):  # a savepoint around one statement
        assert services.end_due_rules(now) == 0


def test_there_are_not_more_than_a_gateway_compares(create_rule, monkeypatch, now):
    monkeypatch.setattr(rules, "RULES_MAX", 2)
    create_rule()
    create_rule(until=now + MINUTE)
    with pytest.raises(ValidationError, match="There are 2 rules already"):
        create_rule()
    services.end_due_rules(now + MINUTE)
    create_rule()


def test_the_trail_cannot_be_changed(create_rule):
    create_rule()
    trail = RiskChange.objects.all()
    for write in (lambda: trail.update(by=None), lambda: trail._raw_delete("default")):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            write()


def test_the_task_ends_rules_and_closes_bans(create_rule, monkeypatch, now):
    create_rule(until=now + MINUTE)
    ban = services.ban("device", "a1b2c3d4", now + MINUTE, "x", "scorer", now=now)
    monkeypatch.setattr(timezone, "now", lambda: now + MINUTE)
    tasks.end_due()
    ban.refresh_from_db()
    assert RiskRule.objects.get().ended_at == ban.ended_at == now + MINUTE


def test_beat_sends_the_task_every_second_and_lets_stale_ticks_expire():
    entry = schedule.entry("end-risk-rules")
    assert (entry.task, entry.every_s) == (tasks.end_due.name, 1)
    assert entry.expires_s <= 2
