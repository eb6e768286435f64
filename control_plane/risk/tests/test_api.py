"""`/api/v1/risk-rules/`, `/api/v1/rate-limits/`, `/api/v1/bans/`."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.risk import services
from control_plane.risk.models import Ban, RateLimit, RiskChange, RiskRule

pytestmark = pytest.mark.django_db

RULES, LIMITS, BANS = (f"/api/v1/{name}/" for name in ("risk-rules", "rate-limits", "bans"))
RULE = {"kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "note": "crawler"}
LIMIT = {"by": "address", "per_s": "5.00", "burst": 9}
FUTURE, PAST = "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
BAN = {"kind": "device", "value": "a1b2c3d4", "until": FUTURE, "reason": "robot"}
IN_THE_FUTURE = {"until": ["The end must be in the future."]}


@pytest.fixture
def now():
    """The API reads the real clock."""
    return timezone.now()


@pytest.fixture
def operator(log_in):
    return log_in(
        *(
            f"{verb}_{model}"
            for verb in ("view", "add", "change", "delete")
            for model in ("riskrule", "ratelimit")
        ),
        *("view_ban", "add_ban", "lift_ban"),
    )


def _send(client, method, url, body=None):
    return getattr(client, method)(url, body or {}, content_type="application/json")


def _problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_rule_is_created_changed_and_ended(operator):
    created = _send(operator, "post", RULES, RULE)
    assert created.status_code == 201
    rule = created.json()
    assert (rule["mode"], rule["priority"], rule["created_by"]) == ("shadow", 100, "ann")
    url = f"{RULES}{rule['id']}/"
    changed = _send(operator, "patch", url, {"mode": "enforce"}).json()
    assert changed == rule | {"mode": "enforce"}
    assert operator.get(RULES).json()["results"] == [changed]
    ended = _send(operator, "post", f"{url}end/").json()
    assert ended["ended_at"] is not None
    assert _problem(_send(operator, "post", f"{url}end/")) == (409, "rule_over")
    assert _problem(_send(operator, "patch", url, {"mode": "shadow"})) == (409, "rule_over")
    assert _problem(operator.delete(url)) == (405, "method_not_allowed")
    assert RiskChange.objects.count() == 3


def test_a_limit_is_created_changed_and_removed(operator):
    limit = _send(operator, "post", LIMITS, LIMIT).json()
    assert limit == {"id": RateLimit.objects.get().pk, "level": "", **LIMIT}
    url = f"{LIMITS}{limit['id']}/"
    assert _send(operator, "patch", url, {"burst": 2}).json()["burst"] == 2
    assert len(operator.get(LIMITS).json()["results"]) == 1
    assert operator.delete(url).status_code == 204
    assert _problem(operator.get(url)) == (404, "not_found")
    assert RiskChange.objects.count() == 3


def test_a_ban_is_made_extended_and_lifted(operator):
    created = _send(operator, "post", BANS, BAN)
    assert created.status_code == 201
    ban = created.json()
    assert (ban["source"], ban["by"], ban["until"]) == ("person", "ann", FUTURE)
    longer = _send(operator, "post", BANS, BAN | {"until": "2101-01-01T00:00:00Z"}).json()
    assert longer["id"] == ban["id"]
    lifted = _send(operator, "post", f"{BANS}{ban['id']}/lift/").json()
    assert lifted["lifted_by"] == "ann"
    assert operator.get(BANS).json()["results"] == [lifted]
    assert _problem(_send(operator, "post", f"{BANS}{ban['id']}/lift/")) == (409, "ban_over")


@pytest.mark.parametrize(
    ("url", "body", "errors"),
    [
        (RULES, RULE | {"cidr": ""}, {"cidr": ["A rule of this kind needs it."]}),
        (
            RULES,
            RULE | {"cidr": "10.0.0.1/8"},
            {"cidr": ["The address is inside of the network. Do you mean 10.0.0.0/8?"]},
        ),
        (
            RULES,
            RULE | {"min_score": 5},
            {"min_score": ["A rule of this kind does not look at it. Leave it empty."]},
        ),
        (RULES, RULE | {"kind": "x"}, {"kind": ['"x" is not a valid choice.']}),
        (RULES, RULE | {"note": ""}, {"note": ["This field may not be blank."]}),
        (RULES, RULE | {"item": 0}, {"item": ['Invalid pk "0" - object does not exist.']}),
        (RULES, RULE | {"until": PAST}, IN_THE_FUTURE),
        (LIMITS, LIMIT | {"by": "level"}, {"level": ["Which level?"]}),
        (
            LIMITS,
            LIMIT | {"per_s": 0},
            {"per_s": ["Ensure this value is greater than or equal to 0.01."]},
        ),
        (
            LIMITS,
            LIMIT | {"by": "device"},
            {"__all__": ["There is a limit for this already: change that one."]},
        ),
        (
            BANS,
            BAN | {"value": "short"},
            {"value": ["8 to 64 characters of A-Z a-z 0-9 _ -"]},
        ),
        (BANS, BAN | {"until": PAST}, IN_THE_FUTURE),
        (BANS, BAN | {"reason": " "}, {"reason": ["This field may not be blank."]}),
    ],
)
def test_it_names_what_it_refuses_and_writes_nothing(operator, now, url, body, errors):
    services.create_limit({"by": "device", "per_s": 3, "burst": 3}, None, now)
    answer = _send(operator, "post", url, body)
    assert _problem(answer) == (400, "invalid")
    assert answer.json()["errors"] == errors
    assert (RiskRule.objects.count(), RateLimit.objects.count(), Ban.objects.count()) == (0, 1, 0)


def test_what_was_removed_in_the_meantime_is_a_conflict(operator, now, monkeypatch):
    limit = services.create_limit({"by": "device", "per_s": 3, "burst": 3}, None, now)

    def gone(*_):
        raise services.LimitGone

    monkeypatch.setattr(services, "change_limit", gone)
    answer = _send(operator, "patch", f"{LIMITS}{limit.pk}/", {"burst": 1})
    assert _problem(answer) == (409, "limit_gone")
    monkeypatch.setattr(services, "remove_limit", gone)
    assert _problem(operator.delete(f"{LIMITS}{limit.pk}/")) == (409, "limit_gone")


@pytest.mark.parametrize(
    ("method", "url", "needed"),
    [
        ("get", RULES, "view_riskrule"),
        ("post", RULES, "add_riskrule"),
        ("patch", "{rule}", "change_riskrule"),
        ("post", "{rule}end/", "change_riskrule"),
        ("get", LIMITS, "view_ratelimit"),
        ("post", LIMITS, "add_ratelimit"),
        ("patch", "{limit}", "change_ratelimit"),
        ("delete", "{limit}", "delete_ratelimit"),
        ("get", BANS, "view_ban"),
        ("post", BANS, "add_ban"),
        ("post", "{ban}lift/", "lift_ban"),
    ],
)
def test_each_call_needs_its_permission(log_in, client, now, method, url, needed):
    rule = services.create_rule(RULE, None, now)
    limit = services.create_limit(LIMIT, None, now)
    ban = services.ban("device", "a1b2c3d4", now + timedelta(hours=1), "x", "scorer")
    url = url.format(
        rule=f"{RULES}{rule.pk}/", limit=f"{LIMITS}{limit.pk}/", ban=f"{BANS}{ban.pk}/"
    )
    assert _problem(_send(client, method, url)) == (401, "not_authenticated")
    models = ("riskrule", "ratelimit", "ban")
    every = {f"{verb}_{model}" for verb in ("view", "add", "change", "delete") for model in models}
    staff = log_in(*((every | {"lift_ban"}) - {needed}))
    assert _problem(_send(staff, method, url)) == (403, "permission_denied")
    assert RiskChange.objects.count() == 3
