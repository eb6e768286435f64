"""The admin's menu: every page, grouped by the people who work with it.

`config/tests/test_navigation.py` fails when a registered model is nowhere here.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from control_plane.drills import page as drills

AUDIT = _("Audit & users")
MONEY = _("Orders & money")
# Title, and model with icon (Material Symbols) in the order of the work.
GROUPS: tuple[tuple[Any, tuple[tuple[str, str], ...]], ...] = (
    (
        _("Campaigns"),
        (
            ("campaigns.Campaign", "local_fire_department"),
            ("queues.QueueState", "hourglass_top"),
            ("queues.Draw", "casino"),
            ("campaigns.Settlement", "receipt_long"),
            ("merchants.Merchant", "storefront"),
        ),
    ),
    (
        _("Stock"),
        (
            ("inventory.Pool", "inventory_2"),
            ("inventory.StockChange", "swap_vert"),
            ("inventory.Allocation", "dns"),
            ("inventory.Rearm", "restart_alt"),
            ("inventory.Grant", "south_east"),
            ("inventory.Reclaim", "north_west"),
            ("inventory.StockSource", "database"),
            ("warehouse.Stock", "warehouse"),
        ),
    ),
    (
        MONEY,
        (
            ("orders.Order", "shopping_bag"),
            ("orders.Rejection", "block"),
            ("dead_letters.DeadLetter", "drafts"),
            ("orders.OrderEvent", "unsubscribe"),
            ("payments.Payment", "payments"),
            ("payments.Refund", "currency_exchange"),
            ("payments.PaymentException", "report"),
            ("reconciliation.Reconciliation", "balance"),
            ("reconciliation.Run", "join"),
            ("webhooks.Endpoint", "webhook"),
            ("webhooks.Delivery", "outgoing_mail"),
        ),
    ),
    (
        _("Risk"),
        (
            ("risk.RiskRule", "shield"),
            ("risk.RateLimit", "speed"),
            ("risk.Ban", "person_off"),
            ("risk.RiskChange", "manage_history"),
        ),
    ),
    (
        _("Switches & configuration"),
        (
            ("switches.SwitchThrow", "toggle_on"),
            ("board.Alert", "notifications"),
            ("board.WallLink", "tv"),
            ("snapshot.Heartbeat", "monitor_heart"),
            ("snapshot.Snapshot", "photo_camera"),
            ("snapshot.EntryKey", "key"),
            ("django_celery_beat.PeriodicTask", "schedule"),
            ("django_celery_beat.IntervalSchedule", "timer"),
            ("django_celery_beat.CrontabSchedule", "calendar_clock"),
        ),
    ),
    (
        AUDIT,
        (
            ("auth.User", "person"),
            ("auth.Group", "group"),
            ("api.ApiKey", "vpn_key"),
            ("axes.AccessAttempt", "lock_clock"),
        ),
    ),
)


def order() -> dict[str, int]:
    """The place of each app, for lists of apps: that of its first page here."""
    labels = [label.split(".")[0] for _title, pages in GROUPS for label, _icon in pages]
    return {label: place for place, label in enumerate(dict.fromkeys(labels))}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What this user may see; a group of nothing is left out."""
    groups: list[dict[str, Any]] = [
        {
            "title": None,
            "items": [
                {"title": _("Overview"), "icon": "space_dashboard", "link": reverse("admin:index")}
            ],
        }
    ]
    if request.user.has_perm("board.view_board"):
        board = {"title": _("Live board"), "icon": "monitoring", "link": reverse("board:page")}
        groups[0]["items"].append(board)
    if request.user.has_perm("switches.view_switchthrow"):
        address = reverse("switch_console:page")
        console = {"title": _("Switch console"), "icon": "tune", "link": address}
        groups[0]["items"].append(console)
    if settings.ENV.drills_on == "staging" and request.user.has_perm(drills.PERMISSION):
        link = {"title": _("Drills"), "icon": "bolt", "link": reverse("admin:drills")}
        groups[0]["items"].append(link)
    for title, pages in GROUPS:
        items = [_item(label, icon) for label, icon in pages if _may_see(request, label)]
        if title is AUDIT and request.user.has_perm("config.view_audit"):
            link = {"title": _("Audit trail"), "icon": "history", "link": reverse("admin:audit")}
            items.insert(0, link)
        if title is MONEY and request.user.has_perm("orders.view_story"):
            link = {
                "title": _("Support"),
                "icon": "support_agent",
                "link": reverse("admin:support"),
            }
            items.insert(0, link)
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _may_see(request: HttpRequest, label: str) -> bool:
    page = admin.site.get_model_admin(apps.get_model(label))
    return page.has_module_permission(request) and page.has_view_or_change_permission(request)


def _item(label: str, icon: str) -> dict[str, Any]:
    opts = apps.get_model(label)._meta
    link = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    return {"title": capfirst(opts.verbose_name_plural), "icon": icon, "link": link}
