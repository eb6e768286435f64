"""Who may open which page and press what: a decision for every page there is."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.messages.storage.base import BaseStorage
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, resolve, reverse
from django.utils import timezone

from control_plane.config import roles
from control_plane.config.roles import ADMINISTRATORS, ROLES, own_permissions
from control_plane.config.tests import one_of_each

# m marketer, o operator, r risk, s support, a auditor; of a model: view, add, change, delete.
LETTERS = {name[0]: name for name in ROLES}
MODELS = {
    "api.ApiKey": ("a", "", "", ""),
    "auth.Group": ("a", "", "", ""),
    "auth.User": ("a", "", "", ""),
    "axes.AccessAttempt": ("a", "", "", ""),
    "board.Alert": ("oa", "", "", ""),
    "board.WallLink": ("oa", "", "", ""),
    "campaigns.Campaign": ("morsa", "m", "m", "m"),
    "campaigns.Settlement": ("moa", "", "", ""),
    "dead_letters.DeadLetter": ("osa", "", "", ""),
    "django_celery_beat.CrontabSchedule": ("oa", "", "", ""),
    "django_celery_beat.IntervalSchedule": ("oa", "", "", ""),
    "django_celery_beat.PeriodicTask": ("oa", "", "o", ""),
    "inventory.Allocation": ("oa", "", "", ""),
    "inventory.Grant": ("oa", "", "", ""),
    "inventory.Pool": ("moa", "", "", ""),
    "inventory.Rearm": ("oa", "", "", ""),
    "inventory.Reclaim": ("oa", "", "", ""),
    "inventory.StockChange": ("moa", "", "", ""),
    "inventory.StockSource": ("oa", "", "", ""),
    "merchants.Merchant": ("moa", "", "", ""),
    "orders.Order": ("orsa", "", "", ""),
    "orders.OrderEvent": ("osa", "", "", ""),
    "orders.Rejection": ("orsa", "", "", ""),
    "payments.Payment": ("osa", "", "", ""),
    "payments.PaymentException": ("osa", "", "", ""),
    "payments.Refund": ("osa", "", "", ""),
    "queues.Draw": ("mosa", "", "", ""),
    "queues.QueueState": ("mora", "", "", ""),
    "reconciliation.Reconciliation": ("oa", "", "", ""),
    "reconciliation.Run": ("oa", "", "", ""),
    "risk.Ban": ("ora", "", "", ""),
    "risk.RateLimit": ("ora", "r", "r", "r"),
    "risk.RiskChange": ("ora", "", "", ""),
    "risk.RiskRule": ("ora", "r", "r", ""),
    "snapshot.EntryKey": ("oa", "", "", ""),
    "snapshot.Heartbeat": ("ora", "", "", "o"),
    "snapshot.Snapshot": ("oa", "", "", ""),
    "switches.SwitchThrow": ("ora", "", "", ""),
    "warehouse.Stock": ("oa", "", "", ""),
    "webhooks.Delivery": ("osa", "", "", ""),
    "webhooks.Endpoint": ("osa", "", "", ""),
}
PAGES = {
    "api_apikey_revoke": "",
    "audit": "a",
    "audit_csv": "a",
    "auth_user_password_change": "",
    "auth_user_second_factor": "",
    "campaigns_campaign_approve": "m",
    "campaigns_campaign_clone": "m",
    "campaigns_campaign_end": "mo",
    "campaigns_campaign_export": "morsa",
    "campaigns_campaign_extend": "mo",
    "campaigns_campaign_import": "m",
    "campaigns_campaign_item": "mo",
    "campaigns_campaign_pause": "o",
    "campaigns_campaign_resume": "o",
    "campaigns_campaign_return": "m",
    "campaigns_campaign_rotate_path_keys": "or",
    "campaigns_campaign_submit": "m",
    "campaigns_campaign_timeline": "morsa",
    "dead_letters_deadletter_discard": "o",
    "dead_letters_deadletter_retry": "os",
    "drill_report": "moa",
    "drills": "moa",
    "inventory_allocation_rearm": "o",
    "inventory_pool_top_up": "mo",
    "inventory_pool_withdraw": "mo",
    "inventory_rearm_give_up": "o",
    "inventory_stockchange_cancel": "mo",
    "inventory_stocksource_switch": "o",
    "orders_order_cancel": "s",
    "orders_orderevent_discard": "o",
    "orders_orderevent_retry": "os",
    "pages_campaignpage_edit": "m",
    "pages_campaignpage_icon": "moa",
    "pages_campaignpage_picture": "moa",
    "pages_campaignpage_preview": "moa",
    "pages_campaignpage_style": "moa",
    "payments_paymentexception_resolve": "s",
    "payments_refund_retry": "s",
    "reconciliation_run_csv": "oa",
    "reconciliation_run_parquet": "oa",
    "risk_ban_ban": "r",
    "risk_ban_lift": "r",
    "risk_riskrule_end": "r",
    "risk_riskrule_mode": "r",
    "snapshot_entrykey_rotate": "o",
    "support": "osa",
    "switches_switchthrow_revert": "o",
    "switches_switchthrow_throw": "o",
    "webhooks_delivery_again": "os",
    "webhooks_endpoint_ping": "o",
    "webhooks_endpoint_retire": "",
    "webhooks_endpoint_rotate": "",
}
ACTIONS = {
    "board.WallLink": {"withdraw": "o"},
    "dead_letters.DeadLetter": {"retry": "os", "discard": "o"},
    "django_celery_beat.PeriodicTask": dict.fromkeys(
        ("enable_tasks", "disable_tasks", "toggle_tasks", "run_tasks"), "o"
    ),
    "inventory.Allocation": {"rearm": "o"},
    "inventory.Rearm": {"give_up": "o"},
    "merchants.Merchant": {"create_key": ""},
    "snapshot.Heartbeat": {"delete_selected": "o"},
    "webhooks.Delivery": {"deliver_again": "os"},
}
# Everybody who works here; the pages say nothing of the shop.
OPEN = {
    "app_list",
    "autocomplete",
    "index",
    "jsi18n",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "search",
    "second_factor",
    "second_factor_end",
    "second_factor_enroll",
    "view_on_site",
}
STANDARD = ("changelist", "add", "change", "delete", "history")


def _walk(patterns):
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns)
        elif isinstance(one, URLPattern) and one.name:
            yield one.name


NAMES = set(_walk(admin.site.get_urls())) - OPEN
OF_MODELS = {f"{label.lower().replace('.', '_')}_{verb}" for label in MODELS for verb in STANDARD}


def test_every_page_has_a_decision():
    registered = {model._meta.label for model in admin.site._registry} - {"pages.CampaignPage"}
    assert sorted(MODELS) == sorted(registered)
    assert sorted(NAMES - OF_MODELS) == sorted(PAGES)


def test_every_permission_of_ours_is_somebody_s():
    given = set().union(*(role.permissions() for role in ROLES.values()))
    assert sorted(set(own_permissions()) - given) == sorted(ADMINISTRATORS)


@pytest.fixture
def person(db):
    """A builder: somebody of this role alone."""
    roles.sync()

    def build(name):
        user = User.objects.create_user(name, is_staff=True)
        user.groups.add(Group.objects.get(name=name))
        return user

    return build


class _Silent(BaseStorage):
    """Messages that nobody reads."""

    def _get(self, *arguments, **how):
        return [], True

    def _store(self, *arguments, **how):
        return []


def _may_open(user, address):
    """What the page's view says to a GET; the page itself is not drawn, which would take long."""
    request = RequestFactory().get(address)
    request.user = user
    request._messages = _Silent(request)  # type: ignore[attr-defined]
    found = resolve(address.partition("?")[0])
    try:
        answer = found.func(request, *found.args, **found.kwargs)
    except (PermissionDenied, Http404) as refusal:
        return isinstance(refusal, Http404)
    return answer.status_code in (200, 302)


def _address(name, given):
    arguments: Any = given.get(name) or next(
        (value for key, value in given.items() if key.endswith("_") and name.startswith(key)), {}
    )
    arguments = dict(arguments)
    query = arguments.pop("?", None)
    address = reverse(f"admin:{name}", kwargs=arguments)
    return f"{address}?{urlencode(query)}" if query else address


@pytest.mark.django_db(databases=["default", "inventory"])
@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_a_role_opens_its_own_pages_and_no_other(letter, person, item, open_epoch):
    user = person(LETTERS[letter])
    now = timezone.now()
    given = one_of_each.arguments(item, open_epoch(units=4), now)
    wrong = []
    for name, allowed in PAGES.items():
        given.setdefault("auth_user_password_change", {"id": str(user.pk)})
        given.setdefault("auth_user_second_factor", {"user_id": user.pk})
        if _may_open(user, _address(name, given)) != (letter in allowed):
            wrong.append(name)
    for label, letters_of in MODELS.items():
        base = f"admin:{label.lower().replace('.', '_')}"
        for verb, letters in (("changelist", letters_of[0]), ("add", letters_of[1])):
            if _may_open(user, reverse(f"{base}_{verb}")) != (letter in letters):
                wrong.append(f"{base}_{verb}")
    assert wrong == []


@pytest.mark.django_db(databases=["default", "inventory"])
@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_a_role_may_do_its_own_work_and_no_other(letter, person, rf):
    request = rf.get("/admin/")
    request.user = person(LETTERS[letter])
    wrong: list[Any] = []
    for label, allowed in MODELS.items():
        page = admin.site.get_model_admin(apps.get_model(label))
        may = (
            page.has_view_permission(request),
            page.has_add_permission(request),
            page.has_change_permission(request),
            page.has_delete_permission(request),
        )
        if may != tuple(letter in letters for letters in allowed):
            wrong.append((label, may))
        # "delete_selected" is there for those who may delete; what is listed here is decided.
        decided = dict(ACTIONS.get(label, {}))
        offered = set(page.get_actions(request)) - ({"delete_selected"} - set(decided))
        if offered != {name for name, letters in decided.items() if letter in letters}:
            wrong.append((label, sorted(offered)))
    assert wrong == []


@pytest.mark.django_db
def test_prepare_sets_a_group_back_and_leaves_others_alone():
    roles.sync()
    changed, other = Group.objects.get(name="support"), Group.objects.create(name="interns")
    changed.permissions.clear()
    other.permissions.add(*Group.objects.get(name="risk").permissions.all()[:1])
    roles.sync()
    roles.sync()
    held = {f"{one.content_type.app_label}.{one.codename}" for one in changed.permissions.all()}
    assert held == ROLES["support"].permissions()
    assert other.permissions.count() == 1
