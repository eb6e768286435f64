"""Epochs of shards, how they end, and what an operator may do about it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, ReasonForm, Refusal, ask, staff
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin, ReadOnlyInline
from control_plane.inventory import services
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    Grant,
    Rearm,
    RearmMode,
    RearmStage,
    Reclaim,
)

REARM = "inventory.rearm_allocation"
GIVE_UP = "inventory.give_up_rearm"


class RearmForm(ReasonForm):
    """How, and why."""

    field_order = ("mode", "reason")
    mode = forms.ChoiceField(
        label=_("mode"),
        choices=RearmMode.choices,
        help_text=_(
            "Fast: the shard sells again at once, from the pool. "
            "Full: only once everything of the old epoch is decided."
        ),
    )


class GrantInline(ReadOnlyInline):
    """What the allocation was given."""

    model = Grant
    fields = ("id", "qty", "created_at", "applied_at")
    readonly_fields = fields
    ordering = ("created_at",)


class ReclaimInline(ReadOnlyInline):
    """What it gave back."""

    model = Reclaim
    fields = ("id", "want", "low_water", "taken", "created_at", "settled_at")
    readonly_fields = fields
    ordering = ("created_at",)


class _ManyAtOnce(ReadOnlyAdmin):
    """An action on rows of the list that asks first, on a page that names them in its address."""

    step: str

    def get_urls(self) -> list[URLPattern]:
        """The page that asks, in front of the admin's own."""
        page = self.admin_site.admin_view(self.step_view)
        return [path(f"{self.step}/", page, name=self._step_name()), *super().get_urls()]

    def step_url(self, pks: Any) -> str:
        """The page that asks about these rows."""
        names = ",".join(str(pk) for pk in pks)
        return f"{reverse(f'admin:{self._step_name()}')}?{urlencode({'pk': names})}"

    def step_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, or do it."""
        raise NotImplementedError

    def chosen(self, request: HttpRequest) -> list[Any]:
        """The rows that the address names; Http404 when it names none."""
        to_python = self.model._meta.pk.to_python
        try:
            pks = [to_python(name) for name in request.GET.get("pk", "").split(",")]
        except ValidationError as error:
            raise Http404 from error
        rows = list(self.get_queryset(request).filter(pk__in=pks))
        if not rows:
            raise Http404
        return rows

    def _step_name(self) -> str:
        return f"inventory_{self.opts.model_name}_{self.step}"


@admin.register(Allocation)
class AllocationAdmin(_ManyAtOnce):
    """What each (item, shard, epoch) was granted."""

    step = "rearm"
    list_display = (
        "name",
        "item",
        "source",
        "state",
        "granted",
        "consumed",
        "armed",
        "created_at",
    )
    list_filter = ("state", "source")
    list_select_related = ("item",)
    search_fields = ("item__sku", "item__title", "item__campaign__slug")
    ordering = ("-created_at",)
    inlines = (GrantInline, ReclaimInline)
    actions = ("rearm",)

    @admin.display(description=_("epoch"), ordering="epoch")
    def name(self, allocation: Allocation) -> str:
        """As in its keys."""
        return str(allocation)

    @admin.display(description=_("armed"), boolean=True)
    def armed(self, allocation: Allocation) -> bool:
        """The shard has its reserve script."""
        return bool(allocation.script_sha)

    def has_rearm_permission(self, request: HttpRequest) -> bool:
        """For the action."""
        return request.user.has_perm(REARM)

    def buttons(self, request: HttpRequest, obj: Allocation) -> list[Button]:
        """While it sells."""
        if obj.state != AllocationState.SELLING or not self.has_rearm_permission(request):
            return []
        return [Button(_("Re-arm"), self.step_url([obj.pk]), "button-grave")]

    @admin.action(description=_("Re-arm"), permissions=["rearm"])
    def rearm(self, request: HttpRequest, queryset: QuerySet[Allocation]) -> HttpResponse:
        """Ask about the chosen ones."""
        return HttpResponseRedirect(self.step_url(queryset.values_list("pk", flat=True)))

    def step_view(self, request: HttpRequest) -> HttpResponse:
        """Re-arm those of the chosen ones that still sell."""
        allocations = self.chosen(request)

        def perform(values: dict[str, Any]) -> str:
            fenced = 0
            for allocation in allocations:
                try:
                    services.begin_rearm(
                        allocation.pk, values["mode"], values["reason"], staff(request)
                    )
                    fenced += 1
                except services.AllocationNotSelling as error:
                    if len(allocations) == 1:
                        raise Refusal(error.message) from error
            return _("Shards that are being re-armed: %(count)s.") % {"count": fenced}

        question = Question(
            title=_("Re-arm"),
            warning=_(
                "The shard stops at once and sells again under a new epoch; "
                "its unsold units return to the pool when the old epoch is closed."
            ),
            permission=REARM,
            subjects=allocations,
            back=reverse("admin:inventory_rearm_changelist"),
            perform=perform,
            is_many=True,
            form=RearmForm,
        )
        return ask(self, request, question)


@admin.register(Rearm)
class RearmAdmin(_ManyAtOnce):
    """Ends of epochs. One that stays at a stage says where to look."""

    step = "give_up"
    list_display = ("allocation", "mode", "stage", "stage_at", "reason", "by")
    list_filter = ("stage", "mode")
    list_select_related = ("allocation", "by")
    search_fields = ("allocation__item__sku", "allocation__item__campaign__slug", "reason")
    ordering = ("-created_at",)
    actions = ("give_up",)
    fields = (
        "allocation",
        "mode",
        "reason",
        "by",
        ("stage", "stage_at"),
        "partitions",
        "lease_until",
        "created_at",
        ("given_up_at", "given_up_by", "given_up_reason"),
    )
    readonly_fields = ("created_at", "stage_at")

    def has_give_up_permission(self, request: HttpRequest) -> bool:
        """For the action."""
        return request.user.has_perm(GIVE_UP)

    def buttons(self, request: HttpRequest, obj: Rearm) -> list[Button]:
        """While it may wait for its node: drained, it still does for what its outbox holds."""
        over = obj.stage == RearmStage.CLOSED or obj.given_up_at is not None
        if over or not self.has_give_up_permission(request):
            return []
        return [Button(_("Give up"), self.step_url([obj.pk]), "button-grave")]

    @admin.action(description=_("Give up"), permissions=["give_up"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[Rearm]) -> HttpResponse:
        """Ask about the chosen ones."""
        return HttpResponseRedirect(self.step_url(queryset.values_list("pk", flat=True)))

    def step_view(self, request: HttpRequest) -> HttpResponse:
        """Give up those of the chosen ones that still wait."""
        rearms = self.chosen(request)

        def perform(values: dict[str, Any]) -> str:
            given_up = 0
            for rearm in rearms:
                try:
                    services.give_up(rearm.pk, values["reason"], staff(request))
                    given_up += 1
                except services.RearmTooFar as error:
                    if len(rearms) == 1:
                        raise Refusal(error.message) from error
            return _("Shards given up: %(count)s.") % {"count": given_up}

        question = Question(
            title=_("Give up"),
            warning=_(
                "Only for a node that will never come back: reservations that only it knew are "
                "lost, and shoppers were told that they have them."
            ),
            permission=GIVE_UP,
            subjects=rearms,
            back=reverse("admin:inventory_rearm_changelist"),
            perform=perform,
            is_many=True,
        )
        return ask(self, request, question)


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    """Movements pool → shard; one without `applied at` is under way."""

    list_display = ("id", "allocation", "qty", "created_at", "applied_at")
    list_select_related = ("allocation",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)


@admin.register(Reclaim)
class ReclaimAdmin(ReadOnlyAdmin):
    """Movements shard → pool; one without `settled at` is under way."""

    list_display = ("id", "allocation", "want", "taken", "created_at", "settled_at")
    list_select_related = ("allocation",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
