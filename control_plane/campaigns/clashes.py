"""The same thing sold twice at once: one SKU of a merchant in two campaigns that overlap."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from control_plane.campaigns.models import Campaign, CampaignState, Item

RUNNING = (CampaignState.APPROVED, CampaignState.LIVE)


class Clash(NamedTuple):
    """An SKU and the other campaign that sells it in the same time."""

    sku: str
    campaign: Campaign


def clashes(
    merchant_id: int,
    skus: Iterable[str],
    starts_at: datetime,
    ends_at: datetime,
    *,
    besides: int | None,
    states: Iterable[str] = RUNNING,
) -> list[Clash]:
    """Campaigns of the merchant in `states` that sell one of these SKUs in [starts_at, ends_at).

    Reads only. To be sure of it, lock the merchant first (`services`): two approvals at once would
    each see the other as a draft.
    """
    items = (
        Item.objects.filter(
            sku__in=list(skus),
            campaign__merchant=merchant_id,
            campaign__state__in=list(states),
            campaign__starts_at__lt=ends_at,
            campaign__ends_at__gt=starts_at,
        )
        .exclude(campaign=besides)
        .select_related("campaign")
        .order_by("sku", "campaign__starts_at", "pk")
    )
    return [Clash(item.sku, item.campaign) for item in items]
