"""What rules matched: added up from the gateways' totals, and shown before somebody enforces."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.risk import services
from control_plane.risk.models import RiskChange, RiskRule, RuleMinute
from control_plane.risk.services import Totals, figure_of, forget, record_totals

pytestmark = pytest.mark.django_db
RULE = {"kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "mode": "shadow", "note": "robots"}


@pytest.fixture
def now():
    """The admin reads the real clock."""
    return timezone.now()


@pytest.fixture
def rule(now):
    return services.create_rule(RULE, None, now)


def _told(rule, compared, matched, mode="shadow"):
    return Totals(compared, {(rule.pk, "deny", mode): matched})


def test_what_is_new_since_the_last_report_counts(rule, now):
    record_totals("g1", _told(rule, 1000, 50), now)  # the first one says where counting begins
    assert figure_of(rule.pk, now).compared == 0
    record_totals("g1", _told(rule, 1500, 56), now)
    record_totals("g1", _told(rule, 1500, 56), now)
    figure = figure_of(rule.pk, now)
    assert (figure.compared, figure.watched, figure.enforced) == (500, 6, 0)


def test_gateways_add_up(rule, now):
    for gateway in ("g1", "g2"):
        record_totals(gateway, Totals(0, {}), now)
        record_totals(gateway, _told(rule, 10, 2), now)
    assert figure_of(rule.pk, now).watched == 4


def test_one_that_started_anew_counts_from_nothing(rule, now):
    record_totals("g1", _told(rule, 1000, 50), now)
    record_totals("g1", _told(rule, 30, 3), now)
    figure = figure_of(rule.pk, now)
    assert (figure.compared, figure.watched) == (30, 3)


def test_only_the_last_hour_is_told_and_a_week_is_kept(rule, now):
    record_totals("g1", Totals(0, {}), now - timedelta(days=8))
    record_totals("g1", _told(rule, 10, 1), now - timedelta(days=8))
    record_totals("g1", _told(rule, 20, 2), now - timedelta(hours=2))
    assert figure_of(rule.pk, now).compared == 0
    assert forget(now) == 2
    assert RuleMinute.objects.count() == 2


@pytest.fixture
def figures(rule, now):
    record_totals("g1", Totals(0, {}), now)
    record_totals("g1", _told(rule, 1000, 12), now)


def test_who_enforces_sees_first_what_it_would_have_done(admin_client, rule, figures):
    page = f"/admin/risk/riskrule/{rule.pk}/mode/"
    asked = admin_client.get(page).content.decode()
    assert "Would have denied 12 of 1,000 purchases in the last hour (1.2 %)." in asked
    assert RiskRule.objects.get().mode == "shadow"
    admin_client.post(page, {"reason": "all of them robots"})
    assert RiskRule.objects.get().mode == "enforce"
    assert RiskChange.objects.latest("pk").reason == "all of them robots"
    history = admin_client.get(f"/admin/risk/riskrule/{rule.pk}/history/").content.decode()
    for part in ("all of them robots", "<del>shadow</del>", "<ins>enforce</ins>"):
        assert part in history


def test_the_list_has_the_share_in_one_query(
    admin_client, rule, figures, cell, django_assert_max_num_queries
):
    services.create_rule(RULE | {"cidr": "192.0.2.0/24"}, None, timezone.now())
    with django_assert_max_num_queries(7):
        page = admin_client.get("/admin/risk/riskrule/").content.decode()
    assert cell(page, "last_hour") == "1.2 %"


def test_without_purchases_there_is_nothing_to_judge(admin_client, rule):
    page = admin_client.get(f"/admin/risk/riskrule/{rule.pk}/change/").content.decode()
    assert "there is nothing to judge" in page


def test_no_form_enforces_without_asking(admin_client, rule):
    form = {"priority": 100, "kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "note": "n"}
    form |= {"mode": "enforce", "change_reason": "quick"}
    admin_client.post(f"/admin/risk/riskrule/{rule.pk}/change/", form)
    assert RiskRule.objects.get().mode == "shadow"
