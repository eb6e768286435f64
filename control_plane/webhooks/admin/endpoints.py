"""Endpoints: where a merchant hears of his orders, and what signs for it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from control_plane.config import history
from control_plane.config.ask_first import Question, Refusal, ask
from control_plane.config.audited import AuditedAdmin
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button
from control_plane.outgoing import addresses
from control_plane.webhooks import services
from control_plane.webhooks.models import (
    ORDER_TYPES,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointSecret,
    OffReason,
)
from control_plane.webhooks.refusals import REFUSALS

PING, ROTATE = "webhooks.ping_endpoint", "webhooks.rotate_secret"


class EndpointForm(forms.ModelForm):
    """What a person decides about an endpoint."""

    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(one.value, one.label) for one in ORDER_TYPES],
        initial=[one.value for one in ORDER_TYPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = Endpoint
        fields = ("merchant", "url", "events", "active")
        widgets = {"url": UnfoldAdminTextInputWidget()}

    def clean_url(self) -> str:
        """Refused here as the sender would refuse it; names are looked up when they are called."""
        url = str(self.cleaned_data["url"])
        try:
            addresses.parse(url, private=settings.ENV.webhooks_private)
        except addresses.BadAddress as error:
            raise forms.ValidationError(REFUSALS[error.code], error.code) from error
        return url


def _ping(endpoint: Endpoint) -> str:
    if not endpoint.active:
        raise Refusal(_("The endpoint is off."))
    services.ping(endpoint, timezone.now())
    return str(_("A test goes out within seconds; the delivery log shows its answer."))


def _rotate(endpoint: Endpoint) -> str:
    services.rotate_secret(endpoint, timezone.now())
    return str(_("There is a new secret. Both sign until you end the older one."))


def _retire(endpoint: Endpoint) -> str:
    if not services.retire_secret(endpoint):
        raise Refusal(_("There is only one secret."))
    return str(_("Only the newest secret signs now."))


# name, permission, button, warning, what it does
MOVES: tuple[tuple[str, str, Any, Any, Callable[[Endpoint], str]], ...] = (
    ("ping", PING, _("Send a test"), _("The server gets an event of type webhook.ping."), _ping),
    (
        "rotate",
        ROTATE,
        _("Rotate the secret"),
        _("A second secret signs beside the newest one. An older one ends at once."),
        _rotate,
    ),
    (
        "retire",
        ROTATE,
        _("End the older secret"),
        _("A server that still verifies by it refuses everything from now on."),
        _retire,
    ),
)


@admin.register(Endpoint)
class EndpointAdmin(AuditedAdmin):
    """Made and switched by people; how it is doing is written by the sender."""

    form = EndpointForm
    reason_required = True
    change_form_template = "admin/with_buttons.html"
    list_display = ("url", "merchant", "active", "off_reason", "failures", "last_delivered_at")
    list_filter = ("active", "off_reason", "merchant")
    list_select_related = ("merchant",)
    search_fields = ("url",)
    actions = None
    readonly_fields = (
        "off_reason",
        "waiting",
        "log",
        "failures",
        "failing_since",
        "not_before",
        "last_delivered_at",
        "secrets_shown",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Secrets only for those who may rotate them; nothing of it before there is one."""
        ours: list[Any] = [(None, {"fields": ("merchant", "url", "events", "active")})]
        if obj is None:
            return ours
        if request.user.has_perm(ROTATE):
            ours.append((_("Secrets"), {"fields": ("secrets_shown",)}))
        doing = ("off_reason", "waiting", "last_delivered_at", ("failures", "failing_since"))
        ours.append((_("How it is doing"), {"fields": (*doing, "not_before", "log")}))
        return ours

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Another merchant's endpoint is another endpoint."""
        return (*self.readonly_fields, "merchant") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: its log stays, and off is off."""
        return False

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        """By services: the first secret comes with it, and its troubles end when it is on again."""
        if not change:
            services.create_endpoint(obj, timezone.now())
            return
        with transaction.atomic():
            Endpoint.objects.filter(pk=obj.pk).update(url=obj.url, events=obj.events)
            if "active" in form.changed_data:
                if obj.active:
                    services.switch_on(obj)
                else:
                    services.switch_off(obj, OffReason.PEOPLE)
            history.note(obj)

    @admin.display(description=_("waiting"))
    def waiting(self, endpoint: Endpoint) -> int:
        """Deliveries that are to go out."""
        ours = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING)
        return ours.count()

    @admin.display(description=_("delivery log"))
    def log(self, endpoint: Endpoint) -> SafeString:
        """The latest."""
        rows = Delivery.objects.filter(endpoint=endpoint).order_by("-pk")[:20]
        return format_html_join(
            "",
            '<div><a href="{}">{}</a> · {} · {} · {}</div>',
            (
                (
                    reverse("admin:webhooks_delivery_change", args=[row.pk]),
                    row.event_id,
                    row.get_type_display(),
                    row.order_number or "–",
                    row.get_state_display(),
                )
                for row in rows
            ),
        )

    @admin.display(description=_("secrets, the newest first"))
    def secrets_shown(self, endpoint: Endpoint) -> SafeString:
        """What the merchant's server has to know."""
        rows = EndpointSecret.objects.filter(endpoint=endpoint)
        return format_html_join(
            "",
            "<div><code>{}</code> · {}</div>",
            (
                (one.secret, date_format(localtime(one.created_at), "DATETIME_FORMAT"))
                for one in rows
            ),
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page with its buttons."""
        buttons = [
            Button(label, reverse(f"admin:webhooks_endpoint_{name}", args=[object_id]))
            for name, permission, label, *_rest in MOVES
            if object_id and request.user.has_perm(permission)
        ]
        context = {"buttons": buttons, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/ping/` and the others in front of the admin's own."""
        own = [
            path(
                f"<int:endpoint_id>/{name}/",
                self.admin_site.admin_view(self._view),
                {"name": name},
                f"webhooks_endpoint_{name}",
            )
            for name, *_rest in MOVES
        ]
        return [*own, *super().get_urls()]

    def _view(self, request: HttpRequest, endpoint_id: int, name: str) -> HttpResponse:
        """Ask, or do; who did it and why stands in the endpoint's history."""
        endpoint = get_object_or_404(Endpoint, pk=endpoint_id)
        (move,) = (one for one in MOVES if one[0] == name)
        _name, permission, label, warning, do = move

        def perform(values: dict[str, Any]) -> str:
            said = do(endpoint)
            self.log_change(request, endpoint, in_english(label, values["reason"]))
            return said

        question = Question(
            title=label,
            warning=warning,
            permission=permission,
            subjects=[endpoint],
            back=reverse("admin:webhooks_endpoint_change", args=[endpoint_id]),
            perform=perform,
        )
        return ask(self, request, question)
