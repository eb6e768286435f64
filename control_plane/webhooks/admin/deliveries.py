"""The delivery log: what was sent where, each attempt with its answer, and sending it again."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
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
from control_plane.webhooks import services
from control_plane.webhooks.models import Attempt, Delivery

REDELIVER = "webhooks.redeliver_delivery"


class AttemptInline(ReadOnlyInline):
    """In the order in which they were made."""

    model = Attempt
    fields = ("number", "at", "duration_ms", "status", "error", "answer")
    readonly_fields = fields


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Found by event, order number or reservation, each complete: the table is large."""

    list_display = (
        "about",
        "type",
        "state",
        "attempts_made",
        "created_at",
        "endpoint",
        "event_id",
    )
    list_filter = ("state", "type", "endpoint__merchant")
    list_select_related = ("endpoint",)
    search_fields = ("subject",)
    search_help_text = _("Event, order number or reservation, complete.")
    show_full_result_count = False
    ordering = ("-pk",)
    actions = ("deliver_again",)
    fields = (
        ("event_id", "type"),
        ("order_number", "subject"),
        "endpoint",
        "state",
        ("attempts_made", "next_try_at"),
        ("created_at", "finished_at"),
        "content",
    )
    readonly_fields = ("content",)
    inlines = (AttemptInline,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Exact matches only."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by = "event_id" if term.startswith("evt_") else "subject"
        if term[:1] in "Ss" and term[1:].isdecimal():
            by, term = "order_number", term.upper()
        return queryset.filter(**{by: term}), False

    @admin.display(description=_("order or reservation"))
    def about(self, delivery: Delivery) -> str:
        """What the event is about."""
        return delivery.order_number or delivery.subject

    @admin.display(description=_("body"))
    def content(self, delivery: Delivery) -> SafeString:
        """As it is sent."""
        return format_html("<code class='webhook-body'>{}</code>", delivery.body)

    def buttons(self, request: HttpRequest, obj: Delivery) -> list[Button]:
        """Whatever its state, unless it is being sent."""
        if obj.lease_until is not None or not request.user.has_perm(REDELIVER):
            return []
        url = reverse("admin:webhooks_delivery_again", args=[obj.pk])
        return [Button(_("Deliver again"), url)]

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/again/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.again_view)
        own = path("<int:delivery_id>/again/", page, name="webhooks_delivery_again")
        return [own, *super().get_urls()]

    def again_view(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """Ask, or deliver again; who did it and why stands in its history."""
        delivery = get_object_or_404(Delivery, pk=delivery_id)

        def perform(values: dict[str, Any]) -> str:
            if not services.redeliver([delivery_id], timezone.now()):
                raise Refusal(_("It is being sent at this moment."))
            self.log_change(request, delivery, in_english(_("Deliver again"), values["reason"]))
            return str(_("It goes out within seconds."))

        question = Question(
            title=_("Deliver again"),
            warning=_("The same event with the same id: who has heard it already may ignore it."),
            permission=REDELIVER,
            subjects=[delivery],
            back=reverse("admin:webhooks_delivery_change", args=[delivery_id]),
            perform=perform,
        )
        return ask(self, request, question)

    @admin.action(description=_("Deliver again"), permissions=["redeliver"])
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """All that are chosen and not being sent."""
        chosen = list(queryset.exclude(lease_until__isnull=False))
        with transaction.atomic():
            done = services.redeliver([one.pk for one in chosen], timezone.now())
            for one in chosen:
                self.log_change(request, one, in_english(_("Deliver again")))
        messages.success(request, _("Delivered again: %(count)s.") % {"count": done})

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        """For the bulk action."""
        return request.user.has_perm(REDELIVER)
