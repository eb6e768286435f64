"""The operators' page: every switch and what it says, who threw it, a button each, the history."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, Refusal, ask, staff
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin, until_text
from control_plane.switches import overview, services
from control_plane.switches.forms import form_of, throw_as_asked
from control_plane.switches.known import SWITCHES
from control_plane.switches.models import SwitchThrow

THROW = "switches.throw_switch"
LIST = "admin:switches_switchthrow_changelist"


class InForceFilter(admin.SimpleListFilter):
    """What is over, or not."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Two."""
        return (("in_force", _("in force")), ("over", _("over")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the clock of this moment."""
        in_force = services.in_force(timezone.now()).values("pk")
        if self.value() == "in_force":
            return queryset.filter(pk__in=in_force)
        return queryset.exclude(pk__in=in_force) if self.value() == "over" else queryset


@admin.register(SwitchThrow)
class SwitchThrowAdmin(ReadOnlyAdmin):
    """Above the list: every switch. The list: every throw, newest first."""

    list_display = ("name", "shown", "where", "reason", "who", "created_at", "end")
    list_filter = ("name", InForceFilter)
    list_select_related = ("campaign", "item__campaign", "by", "reverted__by")
    search_fields = ("reason", "campaign__title", "campaign__slug", "item__sku", "item__title")
    change_list_template = "admin/switches/switches.html"
    fields = ("name", "shown", "where", "reason", "who", "created_at", "until", "end")
    readonly_fields = fields

    @admin.display(description=_("value"))
    def shown(self, throw: SwitchThrow) -> str:
        """In words."""
        return throw.shown_value

    @admin.display(description=_("where"))
    def where(self, throw: SwitchThrow) -> str:
        """The campaign or item."""
        return str(throw.where)

    @admin.display(description=_("by"), ordering="by")
    def who(self, throw: SwitchThrow) -> str:
        """A person, or the command line."""
        return str(throw.by or _("the command line"))

    @admin.display(description=_("end"))
    def end(self, throw: SwitchThrow) -> str:
        """Who took it back and when, or when it ends."""
        reverted = getattr(throw, "reverted", None)
        if reverted is None:
            return str(_("in force")) if throw.until is None else until_text(throw.until)
        who = reverted.by or (_("the clock") if reverted.by_clock else _("the command line"))
        told = f"{who}, {localize(timezone.localtime(reverted.at))}"
        return f"{told} — {reverted.reason}" if reverted.reason else told

    def buttons(self, request: HttpRequest, obj: SwitchThrow) -> list[Button]:
        """While it is in force."""
        is_over = not services.in_force(timezone.now()).filter(pk=obj.pk).exists()
        if is_over or not request.user.has_perm(THROW):
            return []
        return [Button(_("Revert"), _revert_url(obj))]

    def get_urls(self) -> list[URLPattern]:
        """`…/throw/<name>/` and `…/<id>/revert/` in front of the admin's own."""
        page = self.admin_site.admin_view
        return [
            path("throw/<slug:name>/", page(self.throw_view), name="switches_switchthrow_throw"),
            path("<int:pk>/revert/", page(self.revert_view), name="switches_switchthrow_revert"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With every switch above the history."""
        context = {
            "title": _("Switches"),
            "rows": overview.rows(timezone.now()),
            "may_throw": request.user.has_perm(THROW),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def throw_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask, or throw it."""
        switch = SWITCHES.get(name)
        if switch is None:
            raise Http404

        def perform(values: dict[str, Any]) -> str:
            try:
                return throw_as_asked(name, values, staff(request), timezone.now())
            except ValidationError as error:
                raise Refusal(" ".join(error.messages)) from error

        now_says = switch.shown(services.effective(timezone.now()).everywhere()[name])
        question = Question(
            title=_("Throw a switch"),
            warning=switch.help,
            permission=THROW,
            subjects=[
                _("%(switch)s — now everywhere: %(value)s")
                % {"switch": switch.label, "value": now_says}
            ],
            back=reverse(LIST),
            perform=perform,
            form=form_of(name),
        )
        return ask(self, request, question)

    def revert_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, or take it back."""
        throw = get_object_or_404(self.get_queryset(request), pk=pk)

        def perform(values: dict[str, Any]) -> str:
            now = timezone.now()
            try:
                services.revert(throw.pk, reason=values["reason"], by=staff(request), now=now)
            except services.NotInForce as error:
                raise Refusal(error.message) from error
            return _("Reverted. %(switch)s (%(where)s) is now: %(value)s.") % {
                "switch": throw.get_name_display(),
                "where": throw.where,
                "value": SWITCHES[throw.name].shown(_value_for(throw)),
            }

        question = Question(
            title=_("Revert"),
            warning=_("What was in force before it is in force again, at once."),
            permission=THROW,
            subjects=[f"{throw} ({throw.where})", throw.reason],
            back=reverse(LIST),
            perform=perform,
        )
        return ask(self, request, question)


def _value_for(throw: SwitchThrow) -> Any:
    """What its switch says now at the place where it was thrown."""
    values = services.effective(timezone.now())
    if throw.item is not None:
        return values.of(throw.item.campaign_id, throw.item.pk)[throw.name]
    if throw.campaign_id is not None:
        return values.of(throw.campaign_id, 0)[throw.name]
    return values.everywhere()[throw.name]


def _revert_url(throw: SwitchThrow) -> str:
    return reverse("admin:switches_switchthrow_revert", args=[throw.pk])
