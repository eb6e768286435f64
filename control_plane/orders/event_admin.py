"""Events of the outbox that the courier put aside: what, why, and what a person may do about it."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, ReasonForm, Refusal, ask
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin
from control_plane.orders import services
from control_plane.orders.models import Order, OrderEvent, Rejection

RETRY, DISCARD = "orders.retry_orderevent", "orders.discard_orderevent"
# A reason is shorter than a key that fell over.
REASON_LENGTH_MIN = 5
NOT_WAITING = _("It does not wait any more: it was sent, or given up.")


class DiscardForm(ReasonForm):
    """Why nobody is to hear of it; typed out, because nobody can take it back."""

    reason = forms.CharField(
        label=_("reason"),
        min_length=REASON_LENGTH_MIN,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class OpenFilter(admin.SimpleListFilter):
    """Those that still wait, or all that ever did."""

    title = _("state")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """One choice beside "all"."""
        return [("1", _("waiting"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By its value."""
        return queryset & services.aside() if self.value() == "1" else queryset


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    """Only what was put aside at some time: the others are as many as the orders."""

    list_display = ("about", "type", "standing", "attempts", "problem", "aside_until")
    list_filter = (OpenFilter, "type")
    show_full_result_count = False
    ordering = ("-pk",)
    fields = (
        ("about_link", "type"),
        "standing",
        "problem",
        ("attempts", "aside_until"),
        ("created_at", "sent_at", "discarded_at"),
        "payload",
    )
    readonly_fields = ("about_link", "standing", "payload")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderEvent]:
        """By its index."""
        return super().get_queryset(request).filter(aside_until__isnull=False)

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/retry/` and `…/<id>/discard/` in front of the admin's own."""
        own = [
            path(f"<int:event_id>/{name}/", self.admin_site.admin_view(view), name=_page(name))
            for name, view in (("retry", self.retry_view), ("discard", self.discard_view))
        ]
        return [*own, *super().get_urls()]

    def buttons(self, request: HttpRequest, obj: OrderEvent) -> list[Button]:
        """While it waits."""
        if obj.sent_at is not None or obj.discarded_at is not None:
            return []
        offered = (
            (RETRY, Button(_("Retry now"), _address("retry", obj.pk))),
            (DISCARD, Button(_("Discard"), _address("discard", obj.pk), "button-grave")),
        )
        return [button for permission, button in offered if request.user.has_perm(permission)]

    def retry_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """Ask, or have it tried at once."""
        event = get_object_or_404(self.get_queryset(request), pk=event_id)

        def perform(values: dict[str, Any]) -> str:
            if not services.retry_event(event_id, timezone.now()):
                raise Refusal(NOT_WAITING)
            self.log_change(request, event, in_english(_("Retry now"), values["reason"]))
            return str(_("The courier tries it within seconds."))

        question = Question(
            title=_("Retry now"),
            warning=_("It is tried every five minutes anyway; mend what its problem says first."),
            permission=RETRY,
            subjects=[event],
            back=_address("change", event_id),
            perform=perform,
        )
        return ask(self, request, question)

    def discard_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """Ask, or give it up; who did it and why stands in its history."""
        event = get_object_or_404(self.get_queryset(request), pk=event_id)

        def perform(values: dict[str, Any]) -> str:
            if not services.discard_event(event_id, timezone.now()):
                raise Refusal(NOT_WAITING)
            self.log_change(request, event, in_english(_("Discard"), values["reason"]))
            return str(_("It is given up. The order itself stands as it is."))

        question = Question(
            title=_("Discard"),
            warning=_(
                "Neither the warehouse nor the merchant will ever hear of it from us, and the"
                " warehouse's shelf stays off by it. Tell them yourself. Nobody can take it back."
            ),
            permission=DISCARD,
            subjects=[event],
            back=_address("change", event_id),
            perform=perform,
            form=DiscardForm,
        )
        return ask(self, request, question)

    @admin.display(description=_("order or reservation"))
    def about(self, event: OrderEvent) -> str:
        """As the order's own page has it."""
        if event.order_id is None:
            return str(event.reservation_id)
        return Order(pk=event.order_id).number

    @admin.display(description=_("order or reservation"))
    def about_link(self, event: OrderEvent) -> SafeString | str:
        """A link, where there is a page."""
        if event.order_id is None:
            return self.about(event)
        url = reverse("admin:orders_order_change", args=[event.order_id])
        return format_html('<a href="{}">{}</a>', url, self.about(event))

    @admin.display(description=_("state"))
    def standing(self, event: OrderEvent) -> str:
        """Waiting, sent after all, or given up."""
        if event.discarded_at is not None:
            return str(_("discarded"))
        return str(_("waiting") if event.sent_at is None else _("sent"))

    @admin.display(description=_("payload"))
    def payload(self, event: OrderEvent) -> SafeString:
        """What the message says. The courier may be unable to write it, so it is not its bytes."""
        text = json.dumps(_content(event), indent=2, ensure_ascii=False, default=str)
        return format_html('<pre class="payload">{}</pre>', text)


def _content(event: OrderEvent) -> dict[str, Any]:
    said: dict[str, Any] = {"type": event.type, "at": event.created_at.isoformat()}
    names: tuple[str, ...] = ("reservation_id", "item_id", "shopper", "qty")
    about: Any
    if event.order_id is None:
        about = Rejection.objects.filter(reservation_id=event.reservation_id)
        names += ("reason",)
    else:
        about = Order.objects.filter(pk=event.order_id)
        said["number"] = Order(pk=event.order_id).number
        names += ("item__sku", "amount_minor", "currency", "state")
    return said | (about.values(*names).first() or {})


def _page(name: str) -> str:
    return f"orders_orderevent_{name}"


def _address(name: str, event_id: int) -> str:
    return reverse(f"admin:{_page(name)}", args=[event_id])
