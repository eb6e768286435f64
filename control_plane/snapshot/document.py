"""Builds the document that edge and gateways run: what is on sale, and the keys to check tokens.

One function a section; `services` gives the document its version.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from control_plane.campaigns.models import (
    PATH_KEY_GRACE,
    REGULAR,
    REGULAR_WEIGHT,
    Campaign,
    CampaignState,
    Item,
    QueueMode,
)
from control_plane.inventory.models import Allocation, AllocationState, Source, StockSource
from control_plane.merchants.models import SessionKey
from control_plane.queues.draws import draw_of
from control_plane.risk import sections as risk
from control_plane.snapshot.models import EntryKey
from control_plane.switches.effective import Values, effective

# A page that is still open after the end learns from the snapshot that the campaign ended.
ENDED_KEPT_FOR = timedelta(hours=24)
# A gateway that has heard nothing for so long may not know that the source has changed.
LEASE = timedelta(seconds=2)
# A new key signs only after every gateway knows it: what is signed by a key that a gateway does not
# know yet is refused there.
KEY_SPREADS = timedelta(seconds=5)

Json = dict[str, Any]


def build(now: datetime) -> Json:
    """Everything except `version` and `built_at_ms`, so that equal content compares equal."""
    campaigns = list(_campaigns(now))
    switches = effective(now)
    return {
        "campaigns": {campaign.slug: _campaign(campaign) for campaign in campaigns},
        "items": {
            str(item.pk): _item(campaign, item, switches.of(campaign.pk, item.pk), now)
            for campaign in campaigns
            for item in campaign.items.all()
        },
        **_key_sections(campaigns, now),
        "merchants": _merchants(),
        "switches": switches.everywhere(),
        "rate_limits": risk.rate_limits(),
        "risk_rules": risk.risk_rules(now),
        "stock": _stock(),
    }


# The orders of a batch have one time to pay: it is asked for thousands of times.
@lru_cache(maxsize=16)
def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970, the unit of every time in the document."""
    return round(moment.timestamp() * 1000)


def _campaigns(now: datetime) -> QuerySet[Campaign]:
    running = Q(state__in=[CampaignState.APPROVED, CampaignState.LIVE])
    just_ended = Q(state=CampaignState.ENDED, ended_at__gt=now - ENDED_KEPT_FOR)
    selling = Allocation.objects.filter(state=AllocationState.SELLING)
    armed = selling.filter(~Q(script_sha="") | Q(source=Source.DATABASE)).order_by("shard")
    items = (
        Item.objects.order_by("pk")
        .select_related("pool", "draw")
        .prefetch_related(Prefetch("allocations", queryset=armed, to_attr="armed_allocations"))
    )
    return (
        Campaign.objects.filter(running | just_ended)
        .select_related("merchant")
        .prefetch_related(Prefetch("items", queryset=items), "buckets")
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


def _item(campaign: Campaign, item: Item, switches: Values, now: datetime) -> Json:
    shards = [
        {
            "shard": allocation.shard,
            "epoch": allocation.epoch,
            "sha": allocation.script_sha,
            "source": allocation.source,
        }
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
        "units": _units(item),
        "limit": item.limit_per_shopper,
        "state": campaign.state,
        "start_ms": epoch_ms(campaign.starts_at),
        "end_ms": epoch_ms(campaign.ends_at),
        "path_key": item.path_key,
        **_path_key_before(item, now),
        "shard_count": item.shards,
        "shards": shards,
        "switches": switches | {"human_check": _human_check(campaign, switches)},
        "queue": _queue(campaign, item, switches),
    }


def _human_check(campaign: Campaign, switches: Values) -> bool:
    """The campaign wants one and no operator has switched it off.

    A switch that is on cannot be told from one that nobody threw, so it does not add a check.
    """
    return campaign.human_check and bool(switches["human_check"])


def _queue(campaign: Campaign, item: Item, switches: Values) -> Json:
    """`mode` is what holds now; the rest is as it was approved, since tickets were given by it.

    For the same reason a draw is switched off or on, and to nothing else.
    """
    switched = switches["queue_mode"]
    if switched == QueueMode.FIFO and item.queue_mode == QueueMode.DRAW:
        switched = "configured"
    buckets = [{"name": one.name, "weight": one.weight} for one in campaign.buckets.all()]
    return {
        "mode": item.queue_mode if switched == "configured" else switched,
        "buckets": buckets or [{"name": REGULAR, "weight": REGULAR_WEIGHT}],
        "k": campaign.queue_k,
        "grace_ms": campaign.queue_grace_s * 1000,
        "opens_ms": epoch_ms(_opens_at(campaign)),
        "draw": draw_of(item),
    }


def _opens_at(campaign: Campaign) -> datetime:
    return campaign.starts_at - timedelta(minutes=campaign.lobby_minutes)


def _path_key_before(item: Item, now: datetime) -> Json:
    """Who was let in just before the rotation buys at the old address."""
    if item.path_key_rotated_at is None:
        return {}
    until = item.path_key_rotated_at + PATH_KEY_GRACE
    if until <= now or not item.path_key_before:
        return {}
    return {"path_key_before": {"key": item.path_key_before, "until_ms": epoch_ms(until)}}


def _units(item: Item) -> int:
    """With what was added and withdrawn since the approval, which opened the pool."""
    return item.pool.total if hasattr(item, "pool") else item.units


def _stock() -> Json:
    newest = StockSource.objects.order_by("-generation").values_list("source", "generation")
    source, generation = newest.first() or (Source.PRIMARY, 0)
    return {
        "source": source,
        "generation": generation,
        "lease_ms": round(LEASE.total_seconds() * 1000),
    }


def signing_key(now: datetime) -> EntryKey | None:
    """The newest active key that every gateway knows; while there is none such, the oldest."""
    return _signing(_keys(), now)


def _keys() -> list[EntryKey]:
    """Newest first, without those that leaked."""
    return list(EntryKey.objects.filter(withdrawn=False).order_by("-created_at", "kid"))


def _signing(keys: list[EntryKey], now: datetime) -> EntryKey | None:
    active = [key for key in keys if key.active]
    known = (key for key in active if key.created_at <= now - KEY_SPREADS)
    return next(known, active[-1] if active else None)


def _key_sections(campaigns: Sequence[Campaign], now: datetime) -> Json:
    """Keys of entry tokens, and of tickets, which are good until their sale is over.

    For these every key that may have signed one: those made since the first queue opened of all
    that are on sale, and the one that signed then.
    """
    keys = _keys()
    signing = _signing(keys, now)
    opened = (_opens_at(one) for one in campaigns if one.state != CampaignState.ENDED)
    first = min([now, *opened])
    since = [key for key in keys if key.created_at > first - KEY_SPREADS]
    sections = {
        "entry_keys": [key for key in keys if key.active],
        "ticket_keys": keys[: len(since) + 1],
    }
    return {
        name: [{"kid": key.kid, "secret": key.secret, "sign": key == signing} for key in chosen]
        for name, chosen in sections.items()
    }


def _merchants() -> Json:
    merchants: Json = {}
    keys = SessionKey.objects.filter(active=True).select_related("merchant").order_by("pk")
    for key in keys:
        merchant = merchants.setdefault(key.merchant.slug, {"session_keys": []})
        merchant["session_keys"].append({"kid": key.kid, "secret": key.secret})
    return merchants
