"""A campaign's form while it is a draft, and its page when it was approved."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import services
from control_plane.campaigns.admin.form import CampaignForm
from control_plane.campaigns.admin.inlines import ItemInline, QueueBucketInline, is_draft
from control_plane.campaigns.admin.pages import CampaignPages
from control_plane.campaigns.content import digest_of
from control_plane.campaigns.models import Campaign, Item, StepKind
from control_plane.campaigns.steps import note
from control_plane.campaigns.summary import when
from control_plane.config.ask_first import staff
from control_plane.orders.models import LIVE_STATES, Order

HISTORY = ("approved_at", "approved_by", "warmed_at", "ended_at", "ended_by", "settled_at")


@admin.register(Campaign)
class CampaignAdmin(CampaignPages):
    """A draft can be edited and deleted; after the approval everything is read-only."""

    form = CampaignForm
    list_display = ("title", "state_badge", "starts", "ends", "units", "sold", "merchant")
    actions = None
    list_filter = ("state", "merchant")
    list_select_related = ("merchant",)
    search_fields = ("title", "slug", "items__sku", "items__title")
    date_hierarchy = "starts_at"
    prepopulated_fields = {"slug": ("title",)}
    inlines = (ItemInline, QueueBucketInline)
    readonly_fields = ("starts", "ends", *HISTORY)
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
        """In the order in which people think of a sale."""
        edits = self.has_change_permission(request, obj) if obj else True
        times = ("time_zone", ("starts_at", "ends_at")) if edits else (("starts", "ends"),)
        check = {"fields": ("human_check",)}
        sections = (
            (_("What it is"), {"fields": ("title", ("slug", "merchant"))}),
            (_("When"), {"fields": times}),
            (_("Payment"), {"fields": (("pay_minutes", "buys_again"),)}),
            (_("Human check"), check),
            (
                _("Queue"),
                {
                    "fields": (("queue_k", "queue_grace_s", "lobby_minutes"),),
                    "description": _(
                        "For items with a queue. Its buckets are below; without any there is one "
                        "for everybody."
                    ),
                },
            ),
        )
        if is_draft(obj):
            return sections
        pairs = (
            ("approved_at", "approved_by"),
            "warmed_at",
            ("ended_at", "ended_by"),
            "settled_at",
        )
        return (*sections, (_("History"), {"fields": pairs}))

    def get_inlines(self, request: HttpRequest, obj: Campaign | None) -> Any:
        """Items that are on sale stand above, with what may be done to them."""
        if is_draft(obj):
            return self.inlines
        return (QueueBucketInline,) if obj and obj.buckets.exists() else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """Only while the slug is not in use anywhere."""
        return {} if obj else self.prepopulated_fields

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, campaign: Campaign) -> SafeString:
        """The state with its colour."""
        if is_draft(campaign) and campaign.submitted_at is not None:
            return format_html('<span class="state state-waiting">{}</span>', _("to be approved"))
        return format_html(
            '<span class="state state-{}">{}</span>', campaign.state, campaign.get_state_display()
        )

    @admin.display(description=_("start"), ordering="starts_at")
    def starts(self, campaign: Campaign) -> str:
        """By its own clocks."""
        return when(campaign.starts_at, campaign.time_zone)

    @admin.display(description=_("end"), ordering="ends_at")
    def ends(self, campaign: Campaign) -> str:
        """By its own clocks."""
        return when(campaign.ends_at, campaign.time_zone)

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
        return is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return is_draft(obj) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        """The permission was checked on what was read; the lock holds until the items are saved.

        So does `seen`, the digest of what the form was filled with: of two who edit at once the
        second one is told, and does not overwrite the first.
        """
        if change:
            locked = services.lock_draft(obj.pk)
            seen = request.POST.get("seen")
            if seen is not None and seen != digest_of(locked):
                raise services.EditedSince(obj.pk)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Everything is saved then: write down who did it, in the same transaction."""
        super().save_related(request, form, formsets, change)
        campaign, by, now = form.instance, staff(request), timezone.now()
        if not change:
            note(campaign, StepKind.CREATED, by, now)
            return
        fields = list(form.changed_data)
        fields += [one.prefix for one in formsets if one.has_changed()]
        why = form.cleaned_data.get("change_reason", "")
        if fields and services.note_edit(campaign, by, now, comment=why, fields=fields):
            messages.warning(
                request, _("It was submitted before this edit: it has to be submitted again.")
            )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one campaign, with the buttons this user may press."""
        context = dict(extra_context or {})
        campaign = self.get_object(request, object_id) if object_id else None
        if campaign is not None:
            context |= self.campaign_context(request, campaign)
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except (services.NotDraft, services.EditedSince) as error:
            # Somebody approved or edited it between this user's reading and saving.
            messages.error(request, error.message)
            return HttpResponseRedirect(request.path)
