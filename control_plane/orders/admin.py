"""Orders and rejections. Read-only: `services` writes them."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item
from control_plane.config.ask_first import Question, Refusal, ask
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin
from control_plane.orders import services
from control_plane.orders.event_admin import OrderEventAdmin
from control_plane.orders.models import LedgerEntry, Order, OrderState, Rejection, StockAnswer

__all__ = ["OrderAdmin", "OrderEventAdmin", "RejectionAdmin"]

CANCEL = "orders.cancel_order"
NUMBER_PATTERN = re.compile(r"S0*([0-9]{1,18})", re.IGNORECASE)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Found by order number, reservation or shopper, each exactly: the table is large."""

    list_display = ("number", "item", "shopper", "qty", "amount", "state", "created_at")
    list_filter = ("state",)
    list_select_related = ("item",)
    search_fields = ("shopper", "reservation_id")
    search_help_text = _("Order number, reservation or shopper, complete.")
    show_full_result_count = False
    ordering = ("-pk",)
    fields = (
        "number",
        "reservation_id",
        "item",
        "shopper",
        "qty",
        "amount",
        "state",
        ("shard", "epoch"),
        ("reserved_at", "created_at", "pay_by"),
        "replaces_link",
        "payments",
        "ledger",
        "warehouse",
    )
    readonly_fields = ("number", "amount", "replaces_link", "payments", "ledger", "warehouse")

    def buttons(self, request: HttpRequest, obj: Order) -> list[Button]:
        """While it is unpaid."""
        if obj.state != OrderState.UNPAID or not request.user.has_perm(CANCEL):
            return []
        url = reverse("admin:orders_order_cancel", args=[obj.pk])
        return [Button(_("Cancel order"), url, "button-grave")]

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/cancel/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.cancel_view)
        own = path("<int:order_id>/cancel/", page, name="orders_order_cancel")
        return [own, *super().get_urls()]

    def cancel_view(self, request: HttpRequest, order_id: int) -> HttpResponse:
        """Ask, or cancel it; who did it and why stands in the order's history."""
        order = get_object_or_404(Order, pk=order_id)

        def perform(values: dict[str, Any]) -> str:
            if not services.end_order(order_id, OrderState.CANCELLED, timezone.now()):
                raise Refusal(_("The order is not unpaid any more."))
            self.log_change(request, order, in_english(_("Cancel order"), values["reason"]))
            return _("%(order)s is cancelled.") % {"order": order}

        question = Question(
            title=_("Cancel order"),
            warning=_("Its units go back on sale; the shopper sees that it is cancelled."),
            permission=CANCEL,
            subjects=[order],
            back=reverse("admin:orders_order_change", args=[order_id]),
            perform=perform,
        )
        return ask(self, request, question)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Exact matches only, so that every search is answered by an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        number = NUMBER_PATTERN.fullmatch(term)
        # The index is (item, shopper): naming the items lets it answer for a shopper alone.
        items = list(Item.objects.values_list("pk", flat=True))
        found = queryset.filter(reservation_id=term) | queryset.filter(item__in=items, shopper=term)
        if number:
            found |= queryset.filter(pk=int(number[1]))
        return found, False

    @admin.display(description=_("number"), ordering="pk")
    def number(self, order: Order) -> str:
        """What the shopper sees."""
        return order.number

    @admin.display(description=_("amount"))
    def amount(self, order: Order) -> str:
        """In the smallest unit of the currency."""
        return f"{order.amount_minor} {order.currency}"

    @admin.display(description=_("ledger"))
    def ledger(self, order: Order) -> SafeString:
        """The entries of this order; their key has two columns, which the admin cannot list."""
        entries = LedgerEntry.objects.filter(order_id=order.pk).order_by("created_at")
        return format_html_join(
            "",
            "<div>{} · {} · {}</div>",
            (
                (
                    entry.get_kind_display(),
                    entry.qty,
                    date_format(localtime(entry.created_at), "DATETIME_FORMAT"),
                )
                for entry in entries
            ),
        )

    @admin.display(description=_("replaces"))
    def replaces_link(self, order: Order) -> SafeString | str:
        """The expired order whose late money bought this one."""
        if order.replaces is None:
            return "–"
        url = reverse("admin:orders_order_change", args=[order.replaces_id])
        return format_html('<a href="{}">{}</a>', url, order.replaces.number)

    @admin.display(description=_("payments"))
    def payments(self, order: Order) -> SafeString:
        """Links to them."""
        rows = (
            (
                reverse("admin:payments_payment_change", args=[payment.pk]),
                payment.provider,
                payment.get_state_display(),
            )
            for payment in order.payments.order_by("created_at")
        )
        return format_html_join("", '<div><a href="{}">{}</a> · {}</div>', rows)

    @admin.display(description=_("warehouse"))
    def warehouse(self, order: Order) -> SafeString:
        """What the warehouse has answered."""
        answers = StockAnswer.objects.filter(order_id=order.pk).order_by("at")
        return format_html_join(
            "",
            "<div>{} · {} · {}</div>",
            (
                (
                    answer.get_kind_display(),
                    answer.qty,
                    date_format(localtime(answer.at), "DATETIME_FORMAT"),
                )
                for answer in answers
            ),
        )


@admin.register(Rejection)
class RejectionAdmin(ReadOnlyAdmin):
    """Reservations that did not become an order."""

    list_display = ("reservation_id", "item_id", "shopper", "qty", "reason", "created_at")
    list_filter = ("reason",)
    search_fields = ("=reservation_id", "=shopper")
    ordering = ("-created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All of them."""
        return [field.name for field in Rejection._meta.fields]
