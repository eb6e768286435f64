"""Merchants' API keys: made by people who see the token once, ended by a button."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.api import services
from control_plane.api.models import NAME_LENGTH_MAX, ApiKey
from control_plane.api.scopes import Scope
from control_plane.config.ask_first import Question, Refusal, ask, staff
from control_plane.config.dressing import dressed
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin
from control_plane.merchants.models import Merchant

REVOKE = "api.revoke_apikey"


class KeyForm(forms.Form):
    """What a person decides about a key."""

    merchant = forms.ModelChoiceField(Merchant.objects.order_by("name"), label=_("merchant"))
    name = forms.CharField(
        label=_("name"),
        max_length=NAME_LENGTH_MAX,
        help_text=_("What it is for: who uses it, where."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("scopes"),
        choices=[(one.value, f"{one.value} · {one.label}") for one in Scope],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Writing does not include reading."),
    )
    expires_at = forms.DateField(
        label=_("expires on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Empty: it is good until somebody revokes it."),
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys with what they may and when they were used; never what they are."""

    list_display = ("name", "merchant", "prefix", "state", "last_used_at", "expires_at")
    list_filter = ("merchant",)
    list_select_related = ("merchant",)
    search_fields = ("name", "prefix")
    fields = (
        ("merchant", "name"),
        ("prefix", "state"),
        "scopes_shown",
        ("created_at", "created_by"),
        ("last_used_at", "expires_at", "revoked_at"),
    )
    readonly_fields = ("state", "scopes_shown")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By Django's permission: a key acts for a merchant."""
        return bool(request.user.has_perm("api.add_apikey"))

    @admin.display(description=_("state"))
    def state(self, key: ApiKey) -> str:
        """In force, or why not."""
        if key.revoked_at is not None:
            return str(_("revoked"))
        return str(_("expired") if key.is_expired(timezone.now()) else _("in force"))

    @admin.display(description=_("scopes"))
    def scopes_shown(self, key: ApiKey) -> SafeString:
        """Each with what it allows."""
        rows = ((scope, Scope(scope).label) for scope in key.scopes)
        return format_html_join("", "<div><code>{}</code> · {}</div>", rows)

    def buttons(self, request: HttpRequest, obj: ApiKey) -> list[Button]:
        """While it is in force."""
        if obj.revoked_at is not None or not request.user.has_perm(REVOKE):
            return []
        url = reverse("admin:api_apikey_revoke", args=[obj.pk])
        return [Button(_("Revoke"), url, "button-grave")]

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/revoke/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:pk>/revoke/", page, name="api_apikey_revoke"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask; then show the token, on this one page and never again."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = dressed(KeyForm(request.POST if request.method == "POST" else None))
        made = self._made(request, form) if form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("New API key"),
            "opts": self.opts,
            "form": form,
            "back": reverse("admin:api_apikey_changelist"),
        }
        if made is not None:
            key, token = made
            self.log_addition(request, key, in_english(_("New API key")))
            context |= {"key": key, "token": token}
        answer = TemplateResponse(request, "admin/api/key.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def _made(self, request: HttpRequest, form: forms.Form) -> tuple[ApiKey, str] | None:
        values = form.cleaned_data
        ends = values["expires_at"]
        now = timezone.now()
        try:
            return services.create_key(
                values["merchant"],
                values["name"],
                values["scopes"],
                by=staff(request),
                now=now,
                # At its end, by the console's clock.
                expires_at=None if ends is None else _end_of(ends),
            )
        except ValidationError as error:
            form.add_error(None, error)
            return None

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, or do; who did it and why stands in its history."""
        key = get_object_or_404(ApiKey, pk=pk)

        def perform(values: dict[str, Any]) -> str:
            if not services.revoke_key(pk, timezone.now()):
                raise Refusal(_("It was revoked before."))
            self.log_change(request, key, in_english(_("Revoke"), values["reason"]))
            return _("%(key)s is revoked.") % {"key": key}

        question = Question(
            title=_("Revoke"),
            warning=_("Whoever uses it is refused from the next request on, for good."),
            permission=REVOKE,
            subjects=[key, key.merchant],
            back=reverse("admin:api_apikey_change", args=[pk]),
            perform=perform,
        )
        return ask(self, request, question)


def _end_of(day: date) -> datetime:
    midnight = datetime.combine(day + timedelta(days=1), time())
    return timezone.make_aware(midnight)
