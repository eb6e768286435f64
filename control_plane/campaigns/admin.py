"""Where marketers work: a campaign with its items, approved and ended by a button."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import services
from control_plane.campaigns.models import (
    BUCKETS_MAX,
    Campaign,
    CampaignState,
    Item,
    QueueBucket,
    Settlement,
)
from control_plane.campaigns.moves import MOVES, Move
from control_plane.config.audited import AuditedAdmin
from control_plane.config.model_admin import TabularInline
from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.orders.models import LIVE_STATES, Order


class ItemInline(TabularInline):
    """Items are edited while the campaign is a draft."""

    model = Item
    extra = 0
    min_num = 1
    fields = (
        "sku",
        "title",
        "units",
        "price_minor",
        "currency",
        "limit_per_shopper",
        "queue_mode",
    )
    readonly_fields = ("stock",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What is on sale has stock to look at and to change."""
        return ItemInline.fields if _is_draft(obj) else (*ItemInline.fields, "stock")

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the pools that the links name."""
        return super().get_queryset(request).select_related("pool")

    @admin.display(description=_("stock"))
    def stock(self, item: Item) -> SafeString | str:
        """A link to the item's pool, where units are added and withdrawn."""
        if not hasattr(item, "pool"):
            return ""
        url = reverse("admin:inventory_pool_change", args=[item.pk])
        return format_html('<a href="{}">{}</a>', url, item.pool.total)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return _is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return _is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return _is_draft(obj) and super().has_delete_permission(request, obj)


class QueueBucketInline(TabularInline):
    """The buckets of the queue. Whoever may edit the campaign may edit them: a part of its form.

    After the approval that form is read-only, and with it this part.
    """

    model = QueueBucket
    extra = 0
    max_num = BUCKETS_MAX
    fields = ("name", "weight", "place")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A form with too many rows is refused, not cut."""
        return super().get_formset(request, obj, **kwargs, validate_max=True)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the campaign."""
        return bool(request.user.has_perm("campaigns.view_campaign")) or self._may_edit(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the campaign."""
        return self._may_edit(request)

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission

    @staticmethod
    def _may_edit(request: HttpRequest) -> bool:
        editing = ("campaigns.add_campaign", "campaigns.change_campaign")
        return any(request.user.has_perm(permission) for permission in editing)


@admin.register(Campaign)
class CampaignAdmin(AuditedAdmin):
    """A draft can be edited and deleted; after the approval everything is read-only."""

    list_display = ("title", "state_badge", "starts_at", "ends_at", "units", "sold", "merchant")
    actions = None
    list_filter = ("state", "merchant")
    list_select_related = ("merchant",)
    search_fields = ("title", "slug", "items__sku", "items__title")
    date_hierarchy = "starts_at"
    prepopulated_fields = {"slug": ("title",)}
    inlines = (ItemInline, QueueBucketInline)
    readonly_fields = (
        "state",
        "approved_at",
        "approved_by",
        "warmed_at",
        "ended_at",
        "ended_by",
        "settled_at",
    )
    change_form_template = "admin/campaigns/campaign_form.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the sums the list shows; each in a subquery, since joined they would multiply."""
        units = Item.objects.filter(campaign=OuterRef("pk")).values("campaign")
        live = Order.objects.filter(item__campaign=OuterRef("pk"), state__in=LIVE_STATES)
        return (
            super()
            .get_queryset(request)
            .annotate(
                units=Coalesce(Subquery(units.values(sum=Sum("units"))), 0),
                sold=Coalesce(Subquery(live.values("item__campaign").values(sum=Sum("qty"))), 0),
            )
        )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The merchant is chosen here and edited on his own page."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = formfield.widget if formfield else None
        if isinstance(widget, RelatedFieldWidgetWrapper):
            widget.can_add_related = widget.can_change_related = False
            widget.can_delete_related = widget.can_view_related = False
        return formfield

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """What was done to the campaign is shown once something was done."""
        when = ("starts_at", "ends_at")
        what = (None, {"fields": ("title", "slug", "merchant", when, "human_check")})
        queue = (
            _("Queue"),
            {
                "fields": (("queue_k", "queue_grace_s", "lobby_minutes"),),
                "description": _(
                    "For items with a queue. Its buckets are below; without any there is one for "
                    "everybody."
                ),
            },
        )
        paying = (_("Payment"), {"fields": (("pay_minutes", "buys_again"),)})
        if _is_draft(obj):
            return (what, paying, queue)
        history = (
            "state",
            ("approved_at", "approved_by"),
            "warmed_at",
            ("ended_at", "ended_by"),
            "settled_at",
        )
        return (what, paying, queue, (_("History"), {"fields": history}))

    def get_prepopulated_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """Only while the slug is not in use anywhere."""
        return {} if obj else self.prepopulated_fields

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, campaign: Campaign) -> SafeString:
        """The state with its colour."""
        return format_html(
            '<span class="state state-{}">{}</span>', campaign.state, campaign.get_state_display()
        )

    @admin.display(description=_("units"), ordering="units")
    def units(self, campaign: Any) -> int:
        """Units of all items."""
        return int(campaign.units)

    @admin.display(description=_("sold"), ordering="sold")
    def sold(self, campaign: Any) -> int:
        """Units in unpaid and paid orders."""
        return int(campaign.sold)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only; the list asks without a campaign."""
        return _is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return _is_draft(obj) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        """The permission was checked on what was read; the lock holds until the items are saved."""
        if change:
            services.lock_draft(obj.pk)
        super().save_model(request, obj, form, change)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one campaign, with the buttons this user may press."""
        context = dict(extra_context or {})
        if object_id is not None:
            context["moves"] = self._moves(request, object_id)
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except services.NotDraft as error:
            # Somebody approved it between this user's reading and saving.
            messages.error(request, error.message)
            return HttpResponseRedirect(request.path)

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/approve/` and `…/<id>/end/` in front of the admin's own."""
        own = [
            path(
                f"<int:campaign_id>/{move.name}/",
                self.admin_site.admin_view(self._move_view(move)),
                name=f"campaigns_campaign_{move.name}",
            )
            for move in MOVES
        ]
        return own + super().get_urls()

    def _moves(self, request: HttpRequest, object_id: str) -> list[dict[str, Any]]:
        campaign = self.get_object(request, object_id)
        return [
            {
                "name": move.name,
                "label": move.button,
                "url": reverse(move.url_name, args=[campaign.pk]),
            }
            for move in MOVES
            if campaign and campaign.state in move.possible_in and move.is_allowed(request.user)
        ]

    def _move_view(self, move: Move) -> Callable[..., HttpResponse]:
        """GET asks, POST does it: a link must never change anything."""

        def view(request: HttpRequest, campaign_id: int) -> HttpResponse:
            if not move.is_allowed(request.user):
                raise PermissionDenied
            campaign = get_object_or_404(self.get_queryset(request), pk=campaign_id)
            if request.method != "POST":
                return self._ask(request, campaign, move)
            try:
                move.perform(campaign, request.user, timezone.now())
            except services.CampaignError as error:
                messages.error(request, error.message)
            else:
                messages.success(request, move.done % {"campaign": campaign})
                self.log_change(request, campaign, str(move.button))
            return HttpResponseRedirect(
                reverse("admin:campaigns_campaign_change", args=[campaign.pk])
            )

        return view

    def _ask(self, request: HttpRequest, campaign: Campaign, move: Move) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": move.button,
            "opts": self.opts,
            "object": campaign,
            "campaign": campaign,
            "items": campaign.items.all(),
            "move": move,
        }
        return TemplateResponse(request, "admin/campaigns/campaign_move.html", context)


@admin.register(Settlement)
class SettlementAdmin(ReadOnlyAdmin):
    """The totals of items whose campaigns are settled."""

    list_display = ("item", "units", "sold", "left", "amount_minor", "currency", "settled_at")
    list_select_related = ("item",)
    search_fields = ("item__sku", "item__campaign__slug")
    ordering = ("-settled_at",)


def _is_draft(campaign: Campaign | None) -> bool:
    """True also for the campaign that is being created."""
    return campaign is None or campaign.state == CampaignState.DRAFT
