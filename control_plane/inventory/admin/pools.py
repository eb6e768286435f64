"""An item's pool: its books, and the marketer's buttons."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import CampaignState
from control_plane.config.ask_first import Question, ReasonForm, Refusal, ask, staff
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin
from control_plane.inventory import services
from control_plane.inventory.models import ChangeState, Pool, StockChange

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class UnitsForm(ReasonForm):
    """How many, and why."""

    field_order = ("qty", "reason")
    qty = forms.IntegerField(label=_("quantity"), min_value=1)


def _add(item_id: int, values: dict[str, Any], user: "User") -> str:
    services.top_up(item_id, values["qty"], values["reason"], user)
    return _("%(qty)s units added.") % values


def _withdraw(item_id: int, values: dict[str, Any], user: "User") -> str:
    change = services.withdraw(item_id, values["qty"], values["reason"], user)
    if change.done == change.qty:
        return _("%(qty)s units withdrawn.") % values
    return _("%(done)s of %(qty)s units withdrawn, %(waiting)s follow.") % {
        "done": change.done,
        "qty": change.qty,
        "waiting": change.qty - change.done,
    }


CHANGES_SHOWN = 20
CANCEL = "inventory.cancel_stockchange"
# name, permission, button, warning, what it does
CHANGES: tuple[tuple[str, str, Any, Any, Callable[[int, dict[str, Any], "User"], str]], ...] = (
    (
        "top_up",
        "inventory.top_up_pool",
        _("Add units"),
        _("The units are on sale at once."),
        _add,
    ),
    (
        "withdraw",
        "inventory.withdraw_pool",
        _("Withdraw units"),
        _(
            "Unsold units leave the sale. Those that shards hold follow within seconds, "
            "unless shoppers buy them first."
        ),
        _withdraw,
    ),
)


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    """One row an item: total = unallocated + in shards + live orders + drift, and drift is 0."""

    list_display = ("item", "total", "unallocated", "in_shards", "ordered", "drift")
    list_select_related = ("item__campaign",)
    search_fields = ("item__sku", "item__title", "item__campaign__slug")
    fields = ("item", "equation", "changes")
    readonly_fields = ("equation", "changes")

    def buttons(self, request: HttpRequest, obj: Pool) -> list[Button]:
        """Units of a campaign that has not ended."""
        if obj.item.campaign.state == CampaignState.ENDED:
            return []
        return [
            Button(label, reverse(f"admin:inventory_pool_{name}", args=[obj.pk]))
            for name, permission, label, _warning, _perform in CHANGES
            if request.user.has_perm(permission)
        ]

    def get_urls(self) -> list[URLPattern]:
        """`…/<item>/top_up/` and `…/<item>/withdraw/` in front of the admin's own."""
        own = [
            path(
                f"<int:item_id>/{name}/",
                self.admin_site.admin_view(self._change_view(permission, label, warning, perform)),
                name=f"inventory_pool_{name}",
            )
            for name, permission, label, warning, perform in CHANGES
        ]
        return own + super().get_urls()

    def _change_view(
        self, permission: str, label: Any, warning: Any, perform: Any
    ) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, item_id: int) -> HttpResponse:
            pool = get_object_or_404(self.get_queryset(request), pk=item_id)

            def change(values: dict[str, Any]) -> str:
                try:
                    return str(perform(item_id, values, staff(request)))
                except services.InventoryError as error:
                    raise Refusal(error.message) from error

            question = Question(
                title=label,
                warning=warning,
                permission=permission,
                subjects=[pool, self.equation(pool)],
                back=reverse("admin:inventory_pool_change", args=[item_id]),
                perform=change,
                form=UnitsForm,
            )
            return ask(self, request, question)

        return view

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the terms of the equation."""
        return services.with_terms(super().get_queryset(request))

    @admin.display(description=_("in shards"))
    def in_shards(self, pool: Pool) -> int:
        """Granted and not yet an order."""
        return services.Conservation.of(pool).open_leftover

    @admin.display(description=_("live orders"))
    def ordered(self, pool: Pool) -> int:
        """Units of unpaid and paid orders."""
        return services.Conservation.of(pool).live_orders

    @admin.display(description=_("drift"))
    def drift(self, pool: Pool) -> int:
        """Anything but 0 is a fault."""
        return services.Conservation.of(pool).drift

    @admin.display(description=_("balance"))
    def equation(self, pool: Pool) -> str:
        """I1 in words."""
        terms = services.Conservation.of(pool)
        return _(
            "total %(total)s = unallocated %(unallocated)s + in shards %(leftover)s"
            " + live orders %(orders)s + drift %(drift)s"
        ) % {
            "total": terms.total,
            "unallocated": terms.unallocated,
            "leftover": terms.open_leftover,
            "orders": terms.live_orders,
            "drift": terms.drift,
        }

    @admin.display(description=_("changes of units"))
    def changes(self, pool: Pool) -> SafeString:
        """Who added and withdrew units, when and why, newest first."""
        made = StockChange.objects.filter(item_id=pool.pk).select_related("by").order_by("-pk")
        return format_html_join(
            "",
            '<div><a href="{}">{}</a> · {} {}/{} · {} · {} · {}</div>',
            (
                (
                    reverse("admin:inventory_stockchange_change", args=[change.pk]),
                    date_format(localtime(change.created_at), "DATETIME_FORMAT"),
                    change.get_kind_display(),
                    change.done,
                    change.qty,
                    change.get_state_display(),
                    change.by or _("command line"),
                    change.reason,
                )
                for change in made[:CHANGES_SHOWN]
            ),
        )


@admin.register(StockChange)
class StockChangeAdmin(ReadOnlyAdmin):
    """All of them, of all items."""

    list_display = ("item", "kind", "qty", "done", "state", "reason", "by", "created_at")
    list_filter = ("kind", "state")
    list_select_related = ("item", "by")
    search_fields = ("item__sku", "item__title", "item__campaign__slug", "reason")
    ordering = ("-pk",)

    def get_urls(self) -> list[URLPattern]:
        """`…/<change>/cancel/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.cancel_view)
        name = "inventory_stockchange_cancel"
        return [path("<int:change_id>/cancel/", page, name=name), *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: StockChange) -> list[Button]:
        """While some of it waits."""
        if obj.state != ChangeState.WAITING or not request.user.has_perm(CANCEL):
            return []
        url = reverse("admin:inventory_stockchange_cancel", args=[obj.pk])
        return [Button(_("Cancel the rest"), url)]

    def cancel_view(self, request: HttpRequest, change_id: int) -> HttpResponse:
        """Ask, or cancel what still waits."""
        change = get_object_or_404(StockChange, pk=change_id)

        def perform(values: dict[str, Any]) -> str:
            try:
                cancelled = services.cancel_withdrawal(change_id, staff(request))
            except services.InventoryError as error:
                raise Refusal(error.message) from error
            return _("%(done)s of %(qty)s units withdrawn, the rest was cancelled.") % {
                "done": cancelled.done,
                "qty": cancelled.qty,
            }

        question = Question(
            title=_("Cancel the rest"),
            warning=_("Units that were withdrawn stay so; those that wait stay on sale."),
            permission=CANCEL,
            subjects=[change.item, f"{change} ({change.done}/{change.qty})"],
            back=reverse("admin:inventory_stockchange_change", args=[change_id]),
            perform=perform,
            form=forms.Form,
        )
        return ask(self, request, question)
