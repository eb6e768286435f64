"""The rows of a draft's form: its items, and the buckets of its queue."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.admin.form import BucketFormSet, ItemFormSet
from control_plane.campaigns.content import ITEM_FIELDS
from control_plane.campaigns.models import BUCKETS_MAX, Campaign, CampaignState, Item, QueueBucket
from control_plane.campaigns.summary import shares
from control_plane.config.model_admin import TabularInline


class ItemInline(TabularInline):
    """Items are edited while the campaign is a draft; after that its own page shows them."""

    model = Item
    formset = ItemFormSet
    min_num = 1
    fields = ITEM_FIELDS

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return is_draft(obj) and super().has_delete_permission(request, obj)


class QueueBucketInline(TabularInline):
    """The buckets of the queue. Whoever may edit the campaign may edit them: a part of its form.

    After the approval that form is read-only, and with it this part.
    """

    model = QueueBucket
    formset = BucketFormSet
    max_num = BUCKETS_MAX
    fields = ("name", "weight", "place", "share")
    readonly_fields = ("share",)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A form with too many rows is refused, not cut."""
        return super().get_formset(request, obj, **kwargs, validate_max=True)

    @admin.display(description=_("share"))
    def share(self, bucket: QueueBucket) -> str:
        """Of those who are let in, as it was saved."""
        if bucket._state.adding:
            return "–"
        of_all = list(QueueBucket.objects.filter(campaign=bucket.campaign_id))
        return dict(shares(of_all))[bucket.name]

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


def is_draft(campaign: Campaign | None) -> bool:
    """True also for the campaign that is being created."""
    return campaign is None or campaign.state == CampaignState.DRAFT
