"""The stock source: which one sells, who changed it when and why, and the button to change it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, ReasonForm, Refusal, ask, staff
from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.inventory import services
from control_plane.inventory.models import Rearm, RearmMode, RearmStage, Source, StockSource

SWITCH = "inventory.switch_stocksource"


class SwitchForm(ReasonForm):
    """Where to, how, and why."""

    field_order = ("source", "mode", "forced", "reason")
    source = forms.ChoiceField(
        label=_("stock source"),
        choices=lambda: [(one.value, one.label) for one in services.offered_sources()],
    )
    mode = forms.ChoiceField(
        label=_("mode"),
        choices=RearmMode.choices,
        help_text=_(
            "Fast: the shard sells again at once, from the pool. "
            "Full: only once everything of the old epoch is decided."
        ),
    )
    forced = forms.BooleanField(
        label=_("forced"),
        required=False,
        help_text=_(
            "The old source does not answer: do not wait until its shards are disarmed, "
            "only for the gateways' lease (3 s). Reservations may be lost or late."
        ),
    )


@admin.register(StockSource)
class StockSourceAdmin(ReadOnlyAdmin):
    """Its list is the history, newest first."""

    list_display = ("generation", "source", "mode", "forced", "reason", "by", "created_at")
    list_select_related = ("by",)
    ordering = ("-generation",)
    change_list_template = "admin/inventory/stock_source.html"

    def get_urls(self) -> list[URLPattern]:
        """`…/switch/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.switch_view)
        return [path("switch/", page, name="inventory_stocksource_switch"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what is in force."""
        source, generation = services.current_source()
        may_switch = request.user.has_perm(SWITCH)
        context = {
            "title": _("Stock source"),
            "current": Source(source).label,
            "generation": generation,
            "unfinished": Rearm.objects.exclude(stage=RearmStage.CLOSED).count(),
            "rearms_url": reverse("admin:inventory_rearm_changelist"),
            "switch_url": reverse("admin:inventory_stocksource_switch") if may_switch else "",
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def switch_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, or change it."""

        def perform(values: dict[str, Any]) -> str:
            try:
                services.switch_source(
                    values["source"],
                    reason=values["reason"],
                    by=staff(request),
                    mode=values["mode"],
                    forced=values["forced"],
                )
            except services.InventoryError as error:
                raise Refusal(error.message) from error
            return _("Shards now change over to: %(source)s.") % {
                "source": Source(values["source"]).label
            }

        source, generation = services.current_source()
        question = Question(
            title=_("Change the stock source"),
            warning=_(
                "All shards of all items stop at once and sell again from the new source, "
                "each as soon as its old epoch cannot sell any more."
            ),
            permission=SWITCH,
            subjects=[
                _("Now: %(source)s (generation %(generation)s)")
                % {"source": Source(source).label, "generation": generation}
            ],
            back=reverse("admin:inventory_stocksource_changelist"),
            perform=perform,
            form=SwitchForm,
        )
        return ask(self, request, question)
