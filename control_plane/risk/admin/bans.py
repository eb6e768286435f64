"""Bans: those of the scorer and those of people."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, Refusal, ask, staff
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin, until_text
from control_plane.risk import services
from control_plane.risk.models import Ban, BanKind, BanSource
from control_plane.risk.models.bans import CHECKS

ADD = "risk.add_ban"
LIFT = "risk.lift_ban"
LIST = "admin:risk_ban_changelist"


class BanForm(forms.Form):
    """Who, how long, and why."""

    kind = forms.ChoiceField(label=_("what"), choices=BanKind.choices)
    value = forms.CharField(label=_("value"), max_length=64)
    minutes = forms.IntegerField(
        label=_("minutes"),
        min_value=1,
        max_value=60 * 24 * 30,
        initial=30,
        help_text=_("A ban that is in force already is extended, never shortened."),
    )
    reason = forms.CharField(
        label=_("reason"), max_length=200, widget=forms.TextInput(attrs={"class": "vTextField"})
    )

    def clean(self) -> dict[str, Any]:
        """The value is of its kind."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "kind" in values and "value" in values:
            try:
                values["value"] = CHECKS[values["kind"]](values["value"])
            except ValidationError as error:
                self.add_error("value", error)
        return values


class InForceFilter(admin.SimpleListFilter):
    """What is over, or not."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Two."""
        return (("in_force", _("in force")), ("over", _("over")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the clock of this moment."""
        now = timezone.now()
        if self.value() == "in_force":
            return queryset.filter(ended_at=None, until__gt=now)
        if self.value() == "over":
            return queryset.exclude(ended_at=None, until__gt=now)
        return queryset


@admin.register(Ban)
class BanAdmin(ReadOnlyAdmin):
    """Newest first; "Ban" and "Lift" ask first."""

    list_display = ("kind", "value", "reason", "who", "created_at", "end")
    list_display_links = ("kind", "value")
    list_filter = (InForceFilter, "kind", "source")
    list_select_related = ("by", "lifted_by")
    search_fields = ("value", "reason")
    ordering = ("-pk",)
    fields = ("kind", "value", "reason", "who", "created_at", "until", "end")
    readonly_fields = fields
    change_list_template = "admin/risk/bans.html"

    @admin.display(description=_("by"), ordering="by")
    def who(self, ban: Ban) -> str:
        """A person's name, or what was none."""
        return str(ban.by) if ban.by is not None else ban.get_source_display()

    @admin.display(description=_("end"), ordering="until")
    def end(self, ban: Ban) -> str:
        """How, or when it will."""
        if ban.lifted_by is not None:
            return _("lifted by %(user)s") % {"user": ban.lifted_by}
        is_over = ban.ended_at is not None or ban.until <= timezone.now()
        return str(_("over")) if is_over else until_text(ban.until)

    def buttons(self, request: HttpRequest, obj: Ban) -> list[Button]:
        """While it is in force."""
        is_over = obj.ended_at is not None or obj.until <= timezone.now()
        if is_over or not request.user.has_perm(LIFT):
            return []
        return [Button(_("Lift the ban"), reverse("admin:risk_ban_lift", args=[obj.pk]))]

    def get_urls(self) -> list[URLPattern]:
        """`…/ban/` and `…/<id>/lift/` in front of the admin's own."""
        page = self.admin_site.admin_view
        return [
            path("ban/", page(self.ban_view), name="risk_ban_ban"),
            path("<int:pk>/lift/", page(self.lift_view), name="risk_ban_lift"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the button to ban."""
        may_ban = request.user.has_perm(ADD)
        context = {"ban_url": reverse("admin:risk_ban_ban") if may_ban else ""}
        return super().changelist_view(request, context | (extra_context or {}))

    def ban_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, or ban."""

        def perform(values: dict[str, Any]) -> str:
            now = timezone.now()
            try:
                ban = services.ban(
                    values["kind"],
                    values["value"],
                    now + timedelta(minutes=values["minutes"]),
                    values["reason"],
                    BanSource.PERSON,
                    by=staff(request),
                    now=now,
                )
            except ValidationError as error:
                raise Refusal(" ".join(error.messages)) from error
            return _("%(ban)s is banned.") % {"ban": ban}

        question = Question(
            title=_("Ban"),
            warning=_(
                "Every gateway refuses these purchases within a second. A network may hide many "
                "honest shoppers behind one address."
            ),
            permission=ADD,
            subjects=[],
            back=reverse(LIST),
            perform=perform,
            form=BanForm,
        )
        return ask(self, request, question)

    def lift_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, or lift it."""
        ban = get_object_or_404(Ban, pk=pk)

        def perform(values: dict[str, Any]) -> str:
            try:
                services.lift(ban, staff(request))
            except services.BanOver as error:
                raise Refusal(error.message) from error
            return _("%(ban)s is not banned any more.") % {"ban": ban}

        question = Question(
            title=_("Lift the ban"),
            warning=_("Purchases are let through again within a second."),
            permission=LIFT,
            subjects=[ban, ban.reason],
            back=reverse(LIST),
            perform=perform,
            form=forms.Form,
        )
        return ask(self, request, question)
