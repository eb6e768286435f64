"""Reconciliations in the admin. Read-only: the clock writes them."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.reconciliation import services
from control_plane.reconciliation.models import Difference, Reconciliation


class OpenFilter(admin.SimpleListFilter):
    """What the alert counts: without what was mended since, or is older than a month."""

    title = _("state")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """One choice beside "all"."""
        return [("1", _("does not balance now"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By its value."""
        if self.value() != "1":
            return queryset
        after = timedelta(hours=settings.ENV.reconcile_after_h)
        return queryset.filter(pk__in=services.unbalanced_now(timezone.now(), after))


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """What does not balance is what the filter is for."""

    list_display = ("item", "campaign", "balanced", "equation", "differing", "at", "sides")
    list_filter = (OpenFilter, "balanced")
    list_select_related = ("item__campaign",)
    search_fields = ("item__sku", "item__campaign__slug")
    ordering = ("-at", "-pk")
    fields = (
        ("item", "campaign"),
        ("at", "day"),
        "balanced",
        "equation",
        "differing",
        ("units_paid", "units_unpaid", "units_expired", "units_cancelled"),
        ("ledger_confirmed", "ledger_returned"),
        ("warehouse_deducted", "warehouse_restored"),
        "rejections",
        "sides",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What is no column."""
        return ("campaign", "equation", "differing", "sides")

    @admin.display(description=_("campaign"))
    def campaign(self, row: Reconciliation) -> str:
        """Whose item it is."""
        return str(row.item.campaign)

    @admin.display(description=_("total = pool + shards + live orders"))
    def equation(self, row: Reconciliation) -> str:
        """I1, filled in."""
        terms = f"{row.unallocated} + {row.open_leftover} + {row.live_units}"
        holds = row.total == row.unallocated + row.open_leftover + row.live_units
        return f"{row.total} {'=' if holds else '≠'} {terms}"

    @admin.display(description=_("differences"))
    def differing(self, row: Reconciliation) -> SafeString | str:
        """By class."""
        if not row.differences:
            return "–"
        rows = ((Difference(kind).label, amount) for kind, amount in row.differences.items())
        return format_html_join("", "<div>{}: {}</div>", rows)

    @admin.display(description=_("all sides"))
    def sides(self, row: Reconciliation) -> SafeString:
        """Order by order, Redis and Kafka too."""
        url = reverse("admin:reconciliation_run_changelist")
        address = f"{url}?campaign__id__exact={row.item.campaign_id}"
        return format_html('<a href="{}">{}</a>', address, _("compared"))
