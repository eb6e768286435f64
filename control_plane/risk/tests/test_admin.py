"""Rules, limits and bans in the admin: who may do what, and what the pages say."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.risk import rules, services
from control_plane.risk.models import Ban, RateLimit, RiskChange, RiskRule

pytestmark = pytest.mark.django_db

BASE = "/admin/risk"
RULES, LIMITS, BANS = (f"{BASE}/{model}/" for model in ("riskrule", "ratelimit", "ban"))
RULE = {"kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "note": "crawler"}
RULE_FORM = {
    **RULE,
    "value": "",
    "min_score": "",
    "of": "",
    "more_than": "",
    "within_s": "",
    "mode": "shadow",
    "priority": 100,
    "item": "",
    "until_0": "",
    "until_1": "",
}
LIMIT_FORM = {"by": "address", "level": "", "per_s": "5", "burst": "9"}
BAN_FORM = {"kind": "device", "value": "a1b2c3d4", "minutes": 30, "reason": "robot"}


@pytest.fixture
def now():
    """The admin reads the real clock."""
    return timezone.now()


@pytest.fixture
def operator(log_in):
    models = ("riskrule", "ratelimit", "ban")
    verbs = ("view", "add", "change", "delete")
    return log_in(*(f"{verb}_{model}" for verb in verbs for model in models), "lift_ban")


@pytest.fixture
def rule(now):
    return services.create_rule(RULE, None, now)


@pytest.fixture
def limit(now):
    return services.create_limit({"by": "address", "per_s": 3, "burst": 3}, None, now)


@pytest.fixture
def ban(now):
    return services.ban("device", "a1b2c3d4", now + timedelta(hours=1), "robot", "scorer")


def _text(answer):
    return answer.content.decode()


def _trail():
    changes = RiskChange.objects.order_by("pk")
    return [(change.subject, change.verb, str(change.by or "")) for change in changes]


# Rules


def test_an_operator_writes_a_rule_and_enforces_it(operator, published):
    assert operator.post(f"{RULES}add/", RULE_FORM).status_code == 302
    row = RiskRule.objects.get()
    assert (str(row.created_by), row.mode) == ("ann", "shadow")
    page = f"{RULES}{row.pk}/mode/"
    assert page in _text(operator.get(f"{RULES}{row.pk}/change/"))
    assert operator.post(page, {"reason": "nobody honest was met"}).status_code == 302
    assert published()["risk_rules"][0]["mode"] == "enforce"
    assert _trail() == [("riskrule", "created", "ann"), ("riskrule", "changed", "ann")]
    listed = _text(operator.get(RULES))
    for text in ("10.0.0.0/8", "crawler", "enforced", "network address"):
        assert text in listed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cidr": ""}, "A rule of this kind needs it."),
        ({"cidr": "10.0.0.1/8"}, "Do you mean 10.0.0.0/8?"),
        ({"value": "x"}, "A rule of this kind does not look at it."),
        ({"kind": "score", "cidr": "", "min_score": "101"}, "less than or equal to 100"),
        ({"note": ""}, "This field is required."),
        ({"until_0": "2020-01-01", "until_1": "00:00"}, "The end must be in the future."),
    ],
)
def test_a_wrong_value_is_explained_at_its_field(operator, changes, reason):
    page = _text(operator.post(f"{RULES}add/", RULE_FORM | changes))
    assert page.count(reason) == 1
    assert not RiskRule.objects.exists()


def test_campaigns_without_a_slow_bucket_are_named(operator, approved, now):
    approved.items.update(queue_mode="fifo")
    slow = RULE_FORM | {"action": "slow"}
    assert "last bucket: Spring." in _text(operator.post(f"{RULES}add/", slow, follow=True))
    approved.buckets.create(name="slow", weight=1)
    page = _text(operator.post(f"{RULES}add/", slow, follow=True))
    assert "last bucket" not in page


def test_what_only_the_service_knows_is_said_too(operator, rule, monkeypatch):
    monkeypatch.setattr(rules, "RULES_MAX", 1)
    page = _text(operator.post(f"{RULES}add/", RULE_FORM, follow=True))
    assert "There are 1 rules already." in page


def test_an_operator_ends_a_rule_after_being_asked(operator, rule, published):
    page, url = f"{RULES}{rule.pk}/change/", f"{RULES}{rule.pk}/end/"
    assert url in _text(operator.get(page))
    assert "not compared with it any more" in _text(operator.get(url))
    assert published()["risk_rules"]
    done = _text(operator.post(url, follow=True))
    assert "The rule has ended." in done
    assert "10.0.0.0/8" not in done.split("result_list")[-1]
    assert "10.0.0.0/8" in _text(operator.get(RULES, {"state": "over"}))
    shown = _text(operator.get(page))
    assert url not in shown
    assert 'name="cidr"' not in shown
    assert published()["risk_rules"] == []
    assert "This rule has ended." in _text(operator.post(url, follow=True))


def test_an_edit_that_meets_the_end_is_refused(operator, rule, monkeypatch, now):
    """The form was shown before; the service is what looks again."""
    change = services.change_rule

    def end_first(pk, *arguments):
        services.end_rule(pk, None, now)
        return change(pk, *arguments)

    monkeypatch.setattr(services, "change_rule", end_first)
    form = RULE_FORM | {"priority": 7, "change_reason": "sooner"}
    page = _text(operator.post(f"{RULES}{rule.pk}/change/", form, follow=True))
    assert "This rule has ended." in page
    assert RiskRule.objects.get().priority == 100


def test_a_rule_is_not_deleted(operator, rule):
    assert operator.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"}).status_code == 403


# Limits


def test_an_operator_creates_changes_and_removes_a_limit(operator, published):
    operator.post(f"{LIMITS}add/", LIMIT_FORM)
    row = RateLimit.objects.get()
    assert (float(row.per_s), row.burst) == (5.0, 9)
    operator.post(
        f"{LIMITS}{row.pk}/change/", LIMIT_FORM | {"burst": "2", "change_reason": "robots"}
    )
    assert published()["rate_limits"][0]["burst"] == 2
    assert "everybody" in _text(operator.get(LIMITS))
    operator.post(f"{LIMITS}{row.pk}/delete/", {"post": "yes"})
    assert published()["rate_limits"] == []
    assert _trail() == [("ratelimit", verb, "ann") for verb in ("created", "changed", "ended")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"by": "level"}, "Which level?"),
        ({"per_s": "0"}, "greater than or equal to 0.01"),
        ({"burst": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_limit_is_explained_at_its_field(operator, limit, changes, reason):
    assert _text(operator.post(f"{LIMITS}add/", LIMIT_FORM | changes)).count(reason) == 1
    assert RateLimit.objects.count() == 1


def test_a_second_limit_for_the_same_is_refused(operator, limit):
    assert "change that one" in _text(operator.post(f"{LIMITS}add/", LIMIT_FORM))
    assert RateLimit.objects.count() == 1


# Bans


def test_an_operator_bans_after_being_asked(operator, now):
    url = f"{BANS}ban/"
    assert url in _text(operator.get(BANS))
    assert "honest shoppers" in _text(operator.get(url))
    done = _text(operator.post(url, BAN_FORM, follow=True))
    assert "Device a1b2c3d4 is banned." in done
    row = Ban.objects.get()
    assert (row.source, str(row.by), row.reason) == ("person", "ann", "robot")
    assert timedelta(minutes=30) <= row.until - now < timedelta(minutes=31)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": "short"}, "8 to 64 characters"),
        ({"kind": "address"}, "An address such as"),
        ({"minutes": 0}, "greater than or equal to 1"),
        ({"reason": ""}, "This field is required."),
    ],
)
def test_a_wrong_ban_is_explained_at_its_field(operator, changes, reason):
    assert _text(operator.post(f"{BANS}ban/", BAN_FORM | changes)).count(reason) == 1
    assert not Ban.objects.exists()


def test_an_operator_lifts_a_ban_after_being_asked(operator, ban):
    page, url = f"{BANS}{ban.pk}/change/", f"{BANS}{ban.pk}/lift/"
    assert url in _text(operator.get(page))
    assert "let through again" in _text(operator.get(url))
    done = _text(operator.post(url, follow=True))
    assert "is not banned any more." in done
    assert "lifted by ann" in done
    assert url not in _text(operator.get(page))
    assert "not in force any more" in _text(operator.post(url, follow=True))


def test_bans_can_be_filtered(operator, ban):
    assert "a1b2c3d4" in _text(operator.get(BANS, {"state": "in_force"}))
    assert "a1b2c3d4" not in _text(operator.get(BANS, {"state": "over"}))


# All


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        ("riskrule", ["riskrule/add/", "riskrule/{rule}/end/"]),
        ("ratelimit", ["ratelimit/add/", "ratelimit/{limit}/delete/"]),
        ("ban", ["ban/ban/", "ban/{ban}/lift/", "ban/add/"]),
        ("riskchange", ["riskchange/add/"]),
    ],
)
def test_seeing_is_not_doing(log_in, client, rule, limit, ban, model, paths):
    urls = [f"{BASE}/{path}".format(rule=rule.pk, limit=limit.pk, ban=ban.pk) for path in paths]
    for url in urls:
        assert client.get(url)["Location"].startswith("/admin/login/")
    viewer = log_in(f"view_{model}")
    page = viewer.get(f"{BASE}/{model}/")
    assert page.status_code == 200
    for url in urls:
        assert url not in _text(page)
        assert viewer.get(url).status_code == 403
        assert viewer.post(url, {"post": "yes"}).status_code == 403
    assert RiskChange.objects.count() == 3


def test_the_trail_is_shown(operator, log_in, admin_client, rule, now):
    services.create_rule(RULE | {"until": now + timedelta(seconds=1)}, None, now)
    services.end_due_rules(now + timedelta(seconds=1))
    page = _text(admin_client.get(f"{BASE}/riskchange/"))
    for text in ("risk rule", "network address: 10.0.0.0/8", "the clock", "the system", "created"):
        assert text in page
    change = RiskChange.objects.latest("pk")
    assert "cidr: 10.0.0.0/8" in _text(admin_client.get(f"{BASE}/riskchange/{change.pk}/change/"))


@pytest.mark.parametrize("model", ["riskrule", "ban", "riskchange"])
def test_a_list_costs_the_same_however_long(
    admin_client, item, now, model, django_assert_max_num_queries
):
    for number in range(20):
        services.create_rule(RULE | {"item": item}, None, now)
        until = now + timedelta(hours=1)
        services.ban("shopper", f"u{number}", until, "x", "scorer", now=now)
    with django_assert_max_num_queries(12):
        admin_client.get(f"{BASE}/{model}/")


def test_the_pages_speak_chinese(admin_client, rule, ban):
    admin_client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    assert "风控规则" in _text(admin_client.get(RULES))
    assert "终止规则" in _text(admin_client.get(f"{RULES}{rule.pk}/end/"))
    page = _text(admin_client.post(f"{RULES}add/", RULE_FORM | {"cidr": ""}))
    assert "此类规则必须填写。" in page
    assert "解除封禁" in _text(admin_client.get(f"{BANS}{ban.pk}/lift/"))
