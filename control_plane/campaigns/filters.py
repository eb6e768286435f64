"""What lists of campaigns and items are narrowed by."""

from django_filters import rest_framework as filters

from control_plane.api.filters import MomentFilter
from control_plane.campaigns.models import Campaign, CampaignState, Item


class CampaignFilter(filters.FilterSet):
    """By state, merchant and start."""

    state = filters.MultipleChoiceFilter(choices=CampaignState.choices)
    merchant = filters.CharFilter("merchant__slug")
    starts_after = MomentFilter("starts_at", "gte")
    starts_before = MomentFilter("starts_at", "lt")

    class Meta:
        model = Campaign
        fields: list[str] = []


class ItemFilter(filters.FilterSet):
    """By campaign and SKU."""

    campaign = filters.CharFilter("campaign__slug")
    sku = filters.CharFilter("sku")

    class Meta:
        model = Item
        fields: list[str] = []
