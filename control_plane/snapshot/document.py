"""Builds the document that edge and gateways run: what is on sale, and the keys to check tokens.

One function a section; `services` gives the document its version.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.inventory.models import Allocation
from control_plane.merchants.models import SessionKey
from control_plane.snapshot.models import EntryKey

# A page that is still open after the end learns from the snapshot that the campaign ended.
ENDED_KEPT_FOR = timedelta(hours=24)

Json = dict[str, Any]


def build(now: datetime) -> Json:
    """Everything except `version` and `built_at_ms`, so that equal content compares equal."""
    campaigns = list(_campaigns(now))
    return {
        "campaigns": {campaign.slug: _campaign(campaign) for campaign in campaigns},
        "items": {
            str(item.pk): _item(campaign, item)
            for campaign in campaigns
            for item in campaign.items.all()
        },
        "entry_keys": _entry_keys(),
        "merchants": _merchants(),
        "switches": {"sale_enabled": True},
    }


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970, the unit of every time in the document."""
    return round(moment.timestamp() * 1000)


def _campaigns(now: datetime) -> QuerySet[Campaign]:
    running = Q(state__in=[CampaignState.APPROVED, CampaignState.LIVE])
    just_ended = Q(state=CampaignState.ENDED, ended_at__gt=now - ENDED_KEPT_FOR)
    armed = Allocation.objects.filter(closed=False).exclude(script_sha="").order_by("shard")
    items = Item.objects.order_by("pk").prefetch_related(
        Prefetch("allocations", queryset=armed, to_attr="armed_allocations")
    )
    return (
        Campaign.objects.filter(running | just_ended)
        .select_related("merchant")
        .prefetch_related(Prefetch("items", queryset=items))
        .order_by("pk")
    )


def _campaign(campaign: Campaign) -> Json:
    return {
        "id": campaign.pk,
        "slug": campaign.slug,
        "title": campaign.title,
        "merchant": campaign.merchant.slug,
        "state": campaign.state,
        "start_ms": epoch_ms(campaign.starts_at),
        "end_ms": epoch_ms(campaign.ends_at),
        "items": [item.pk for item in campaign.items.all()],
    }


def _item(campaign: Campaign, item: Item) -> Json:
    shards = [
        {"shard": allocation.shard, "epoch": allocation.epoch, "sha": allocation.script_sha}
        for allocation in item.armed_allocations  # type: ignore[attr-defined]  # Prefetch's to_attr
    ]
    return {
        "id": item.pk,
        "campaign": campaign.slug,
        "merchant": campaign.merchant.slug,
        "sku": item.sku,
        "title": item.title,
        "price_minor": item.price_minor,
        "currency": item.currency,
        "units": item.units,
        "limit": item.limit_per_shopper,
        "state": campaign.state,
        "start_ms": epoch_ms(campaign.starts_at),
        "end_ms": epoch_ms(campaign.ends_at),
        "path_key": item.path_key,
        "shards": shards,
    }


def _entry_keys() -> list[Json]:
    """Newest first; only the newest signs."""
    keys = EntryKey.objects.filter(active=True).order_by("-created_at", "kid")
    return [
        {"kid": key.kid, "secret": key.secret, "sign": place == 0} for place, key in enumerate(keys)
    ]


def _merchants() -> Json:
    merchants: Json = {}
    keys = SessionKey.objects.filter(active=True).select_related("merchant").order_by("pk")
    for key in keys:
        merchant = merchants.setdefault(key.merchant.slug, {"session_keys": []})
        merchant["session_keys"].append({"kid": key.kid, "secret": key.secret})
    return merchants
