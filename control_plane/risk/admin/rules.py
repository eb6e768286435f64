"""Risk rules: written as shadow, watched, then enforced; ended by a button or by the clock."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import CampaignState, Item
from control_plane.campaigns.queues import campaigns_without_slow_bucket
from control_plane.config.ask_first import Question, Refusal, ask, staff
from control_plane.config.history import reason_of
from control_plane.config.read_only_admin import Button
from control_plane.risk import services
from control_plane.risk.admin import figure_words as words
from control_plane.risk.admin.service_form import ServiceAdmin
from control_plane.risk.models import RiskRule, RuleAction, RuleMode
from control_plane.risk.models.rules import FIELDS_OF_KIND
from control_plane.risk.sections import rules_in_force

CHANGE = "risk.change_riskrule"


class ItemField(forms.ModelChoiceField):
    """Items with their campaign: a SKU is sold again and again."""

    def label_from_instance(self, obj: Any) -> str:
        """As in the list."""
        return f"{obj.campaign} · {obj}"


class RuleForm(forms.ModelForm):
    """With what only the service knows: the end is in the future."""

    class Meta:
        model = RiskRule
        fields = "__all__"
        field_classes = {"item": ItemField}

    class Media:
        js = ("risk/rule_form.js",)

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        # Nobody may edit what has ended: then there is no field.
        if "kind" in self.fields:
            self.fields["kind"].widget.attrs["data-fields"] = json.dumps(FIELDS_OF_KIND)
        if "item" in self.fields:
            sold = Item.objects.exclude(campaign__state=CampaignState.ENDED)
            chosen = Item.objects.filter(pk=self.instance.item_id)
            field: Any = self.fields["item"]
            field.queryset = (sold | chosen).select_related("campaign").order_by("campaign", "pk")

    def clean_until(self) -> Any:
        """At its field."""
        until = self.cleaned_data.get("until")
        if until is not None and until <= timezone.now():
            raise ValidationError(_("The end must be in the future."))
        return until


class InForceFilter(admin.SimpleListFilter):
    """The list shows what is in force unless asked for the rest."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """What is over, or everything."""
        return (("over", _("over")), ("all", _("all")))

    def choices(self, changelist: Any) -> Any:
        """The default has a name instead of "all"."""
        found = list(super().choices(changelist))
        found[0]["display"] = _("in force")
        yield from found

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the clock of this moment."""
        in_force = rules_in_force(timezone.now()).values("pk")
        if self.value() == "over":
            return queryset.exclude(pk__in=in_force)
        return queryset if self.value() == "all" else queryset.filter(pk__in=in_force)


@admin.register(RiskRule)
class RiskRuleAdmin(ServiceAdmin):
    """In the order in which the gateway compares them."""

    form = RuleForm
    over = services.RuleOver
    list_display = (
        "priority",
        "kind",
        "sought",
        "action",
        "mode",
        "last_hour",
        "item_or_all",
        "until",
        "note",
    )
    list_display_links = ("priority", "kind")
    list_filter = (InForceFilter, "mode", "kind")
    list_select_related = ("item__campaign",)
    search_fields = ("cidr", "value", "note")
    ordering = ("priority", "pk")
    change_form_template = "admin/with_buttons.html"
    readonly_fields = ("created_at", "created_by", "ended_at", "figure")

    @admin.display(description=_("looks for"))
    def sought(self, rule: RiskRule) -> str:
        """What a purchase must have."""
        return rule.looks_for

    @admin.display(description=_("item"), ordering="item")
    def item_or_all(self, rule: RiskRule) -> str:
        """Whose purchases."""
        return f"{rule.item.campaign} · {rule.item}" if rule.item else str(_("all"))

    def get_fieldsets(self, request: HttpRequest, obj: RiskRule | None = None) -> Any:
        """What it looks for in one place; of the six fields each kind uses its own."""
        sought = (
            _("What it looks for"),
            {
                "fields": (
                    "kind",
                    "cidr",
                    "value",
                    "min_score",
                    ("of", "more_than", "within_s"),
                ),
            },
        )
        mode = ("mode",) if obj is None else ("mode", "figure")
        done = (
            _("What it does"),
            {"fields": ("action", mode, ("priority", "item"), "until", "note")},
        )
        if obj is None:
            return (sought, done)
        history = (_("History"), {"fields": (("created_at", "created_by"), "ended_at")})
        return (sought, done, history)

    def get_readonly_fields(
        self, request: HttpRequest, obj: RiskRule | None = None
    ) -> tuple[str, ...]:
        """From shadow to enforced and back by a button, which shows what it will mean."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "mode")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the figures of the last hour."""
        return services.with_figures(super().get_queryset(request), timezone.now())

    @admin.display(description=_("last hour"))
    def last_hour(self, rule: Any) -> str:
        """How much of all purchases it met, or would have."""
        return words.share(services.Figure.of(rule))

    @admin.display(description=_("in the last hour"))
    def figure(self, rule: Any) -> str:
        """In a sentence."""
        return words.sentence(rule, services.figure_of(rule.pk, timezone.now()))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What has ended stays as it was."""
        return (obj is None or obj.ended_at is None) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a rule is ended."""
        return False

    def save_model(self, request: HttpRequest, obj: RiskRule, form: Any, change: bool) -> None:
        """A rule that slows has no bucket in campaigns that were approved before the first one."""
        super().save_model(request, obj, form, change)
        without = campaigns_without_slow_bucket() if obj.action == RuleAction.SLOW else []
        if without:
            names = ", ".join(str(campaign) for campaign in without)
            messages.warning(
                request,
                _(
                    "Approved before, without a slow bucket, so there slowed shoppers queue with "
                    "the last bucket: %(campaigns)s."
                )
                % {"campaigns": names},
            )

    def create(self, fields: dict[str, Any], request: HttpRequest) -> RiskRule:
        """By its service."""
        return services.create_rule(fields, staff(request), timezone.now())

    def change(self, pk: int, fields: dict[str, Any], request: HttpRequest) -> None:
        """By its service."""
        services.change_rule(pk, fields, staff(request), timezone.now(), reason_of(request))

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/end/` and `…/<id>/mode/` in front of the admin's own."""
        page = self.admin_site.admin_view
        return [
            path("<int:pk>/end/", page(self.end_view), name="risk_riskrule_end"),
            path("<int:pk>/mode/", page(self.mode_view), name="risk_riskrule_mode"),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the button that ends it."""
        rule = self.get_object(request, object_id) if object_id else None
        buttons = []
        if rule is not None and rule.ended_at is None and request.user.has_perm(CHANGE):
            is_shadow = rule.mode == RuleMode.SHADOW
            label = words.ENFORCE if is_shadow else words.WATCH
            url = reverse("admin:risk_riskrule_mode", args=[rule.pk])
            buttons.append(Button(label, url, "button-grave" if is_shadow else "button-change"))
            url = reverse("admin:risk_riskrule_end", args=[rule.pk])
            buttons.append(Button(_("End this rule"), url, "button-grave"))
        context = {"buttons": buttons, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def end_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, or end it."""
        rule = get_object_or_404(RiskRule, pk=pk)

        def perform(values: dict[str, Any]) -> str:
            try:
                services.end_rule(rule.pk, staff(request), timezone.now())
            except services.RuleOver as error:
                raise Refusal(error.message) from error
            return str(_("The rule has ended."))

        question = Question(
            title=_("End this rule"),
            warning=_("Purchases are not compared with it any more, at once and for good."),
            permission=CHANGE,
            subjects=[rule, rule.note],
            back=reverse("admin:risk_riskrule_changelist"),
            perform=perform,
            form=forms.Form,
        )
        return ask(self, request, question)

    def mode_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, with what it matched in the last hour, and enforce it; or only watch it again."""
        rule, now = get_object_or_404(RiskRule, pk=pk), timezone.now()
        is_shadow = rule.mode == RuleMode.SHADOW
        mode = RuleMode.ENFORCE if is_shadow else RuleMode.SHADOW

        def perform(values: dict[str, Any]) -> str:
            try:
                services.change_rule(pk, {"mode": mode}, staff(request), now, values["reason"])
            except services.RuleOver as error:
                raise Refusal(error.message) from error
            return str(words.ENFORCED if is_shadow else words.WATCHED)

        question = Question(
            title=words.ENFORCE if is_shadow else words.WATCH,
            warning=words.ENFORCE_WARNING if is_shadow else words.WATCH_WARNING,
            permission=CHANGE,
            subjects=[rule, rule.note, words.sentence(rule, services.figure_of(pk, now))],
            back=reverse("admin:risk_riskrule_change", args=[pk]),
            perform=perform,
        )
        return ask(self, request, question)
