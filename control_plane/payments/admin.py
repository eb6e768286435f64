"""Payments, what providers told, and refunds. Read-only, but for trying a failed refund again."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, Refusal, ask
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin, ReadOnlyInline
from control_plane.orders.models import Order
from control_plane.payments import services
from control_plane.payments.models import (
    Payment,
    PaymentEvent,
    PaymentException,
    Refund,
    RefundState,
)

RETRY = "payments.retry_refund"
RESOLVE = "payments.resolve_paymentexception"


def _order_link(order: Order) -> SafeString:
    url = reverse("admin:orders_order_change", args=[order.pk])
    return format_html('<a href="{}">{}</a>', url, order.number)


def _amount(payment: Payment) -> str:
    return f"{payment.amount_minor} {payment.currency}"


class EventInline(ReadOnlyInline):
    """What the provider told, in the order in which it came."""

    model = PaymentEvent
    fields = ("received_at", "type", "outcome", "event_id")
    readonly_fields = fields
    ordering = ("pk",)


class RefundInline(ReadOnlyInline):
    """The money that went back, if it did."""

    model = Refund
    fields = ("reason", "state", "attempts", "last_error")
    readonly_fields = fields
    show_change_link = True


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Found by payment, order number or reservation, each complete: the table is large."""

    list_display = ("id", "order_link", "amount", "provider", "state", "created_at", "paid_at")
    list_filter = ("state", "provider")
    list_select_related = ("order",)
    search_fields = ("id",)
    search_help_text = _("Payment, order number or reservation, complete.")
    show_full_result_count = False
    ordering = ("-created_at",)
    fields = (
        "id",
        "order_link",
        "amount",
        "provider",
        "state",
        ("created_at", "paid_at"),
        "ordered_again",
    )
    readonly_fields = ("order_link", "amount", "ordered_again")
    inlines = (EventInline, RefundInline)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payment], search_term: str
    ) -> tuple[QuerySet[Payment], bool]:
        """Exact matches only, so that every search is answered by an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if term[:1] in "Ss" and term[1:].isdecimal() and len(term) < 20:
            return queryset.filter(order=int(term[1:])), False
        if len(term) == 36:
            return super().get_search_results(request, queryset, term)
        return queryset.filter(order__reservation_id=term), False

    @admin.display(description=_("order"))
    def order_link(self, payment: Payment) -> SafeString:
        """The order's page."""
        return _order_link(payment.order)

    @admin.display(description=_("amount"))
    def amount(self, payment: Payment) -> str:
        """In the smallest unit of the currency."""
        return _amount(payment)

    @admin.display(description=_("ordered again as"))
    def ordered_again(self, payment: Payment) -> SafeString | str:
        """The order that late money bought."""
        again = Order.objects.filter(replaces=payment.order_id).first()
        return _order_link(again) if again else "–"


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """What is due, done, or needs somebody who speaks to the provider."""

    list_display = ("id", "order_link", "amount", "reason", "state", "attempts", "created_at")
    list_filter = ("state", "reason")
    list_select_related = ("payment__order",)
    search_fields = ("=id", "=payment__id")
    ordering = ("-created_at",)
    fields = (
        "id",
        "payment_link",
        "order_link",
        "amount",
        "reason",
        "state",
        ("attempts", "next_try_at"),
        "last_error",
        ("created_at", "finished_at"),
    )
    readonly_fields = ("payment_link", "order_link", "amount")

    def buttons(self, request: HttpRequest, obj: Refund) -> list[Button]:
        """After it has failed."""
        if obj.state != RefundState.FAILED or not request.user.has_perm(RETRY):
            return []
        return [Button(_("Try again"), reverse("admin:payments_refund_retry", args=[obj.pk]))]

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/retry/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.retry_view)
        own = path("<uuid:refund_id>/retry/", page, name="payments_refund_retry")
        return [own, *super().get_urls()]

    def retry_view(self, request: HttpRequest, refund_id: Any) -> HttpResponse:
        """Ask, or try again; who did it and why stands in the refund's history."""
        refund = get_object_or_404(Refund, pk=refund_id)

        def perform(values: dict[str, Any]) -> str:
            if not services.retry(refund.pk, timezone.now()):
                raise Refusal(_("Only a failed refund can be tried again."))
            self.log_change(request, refund, in_english(_("Try again"), values["reason"]))
            return str(_("The provider is asked again."))

        question = Question(
            title=_("Try again"),
            warning=_("The provider is asked with the same key: it gives the money back once."),
            permission=RETRY,
            subjects=[refund],
            back=reverse("admin:payments_refund_change", args=[refund_id]),
            perform=perform,
        )
        return ask(self, request, question)

    @admin.display(description=_("payment"))
    def payment_link(self, refund: Refund) -> SafeString:
        """The payment's page."""
        url = reverse("admin:payments_payment_change", args=[refund.payment_id])
        return format_html('<a href="{}">{}</a>', url, refund.payment_id)

    @admin.display(description=_("order"))
    def order_link(self, refund: Refund) -> SafeString:
        """The order's page."""
        return _order_link(refund.payment.order)

    @admin.display(description=_("amount"))
    def amount(self, refund: Refund) -> str:
        """In the smallest unit of the currency."""
        return _amount(refund.payment)


class OpenFilter(admin.SimpleListFilter):
    """What nobody has looked at."""

    title = _("open")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Yes or no."""
        return [("1", _("open")), ("0", _("resolved"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By whether somebody has."""
        if self.value() is None:
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "1")


@admin.register(PaymentException)
class ExceptionAdmin(ReadOnlyAdmin):
    """Callbacks that changed nothing though their provider signed them."""

    list_display = ("event_id", "provider", "kind", "told", "times", "last_at", "resolved_at")
    list_filter = (OpenFilter, "kind", "provider")
    search_fields = ("=event_id", "=order_number", "=payment_id")
    ordering = ("-last_at",)
    fields = (
        ("provider", "event_id"),
        ("kind", "type"),
        "told",
        "agreed",
        ("times", "first_at", "last_at"),
        "resolved_at",
    )
    readonly_fields = ("told", "agreed")

    def buttons(self, request: HttpRequest, obj: PaymentException) -> list[Button]:
        """While it is open."""
        if obj.resolved_at is not None or not request.user.has_perm(RESOLVE):
            return []
        url = reverse("admin:payments_paymentexception_resolve", args=[obj.pk])
        return [Button(_("Close"), url)]

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/resolve/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.resolve_view)
        name = "payments_paymentexception_resolve"
        return [path("<int:exception_id>/resolve/", page, name=name), *super().get_urls()]

    def resolve_view(self, request: HttpRequest, exception_id: int) -> HttpResponse:
        """Ask, or close it; who did it and what came of it stands in its history."""
        exception = get_object_or_404(PaymentException, pk=exception_id)

        def perform(values: dict[str, Any]) -> str:
            if not services.resolve(exception_id, timezone.now()):
                raise Refusal(_("It is closed already."))
            self.log_change(request, exception, in_english(_("Close"), values["reason"]))
            return str(_("It is closed."))

        question = Question(
            title=_("Close"),
            warning=_("Nothing changes but this. It opens again when the provider tells it again."),
            permission=RESOLVE,
            subjects=[exception],
            back=reverse("admin:payments_paymentexception_change", args=[exception_id]),
            perform=perform,
        )
        return ask(self, request, question)

    @admin.display(description=_("told"))
    def told(self, exception: PaymentException) -> str:
        """By the provider."""
        return f"{exception.amount_minor} {exception.currency} · {exception.order_number}"

    @admin.display(description=_("agreed"))
    def agreed(self, exception: PaymentException) -> SafeString | str:
        """With the provider, by the payment that it names."""
        payment = Payment.objects.filter(pk=exception.payment_id).select_related("order").first()
        if payment is None:
            return "–"
        url = reverse("admin:payments_payment_change", args=[payment.pk])
        text = f"{_amount(payment)} · {payment.order.number}"
        return format_html('<a href="{}">{}</a>', url, text)
