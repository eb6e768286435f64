"""The admin's first page: what sells, what comes next, what waits for a person."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.config.waiting import KINDS
from control_plane.inventory.models import Allocation, AllocationState, Pool
from control_plane.snapshot.lag import STALE_AFTER
from control_plane.snapshot.models import Heartbeat, Snapshot
from control_plane.switches import overview

SHOWN = 6
# A campaign that ended a moment ago is still what people ask about.
ENDED_WITHIN = timedelta(minutes=30)


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """django-unfold's DASHBOARD_CALLBACK; what a user may not open is not there."""
    now = timezone.now()
    may = request.user.has_perm
    context["waiting"] = [
        {"kind": kind, "count": kind.count(now)} for kind in KINDS if kind.is_for(request)
    ]
    context["is_anything_waiting"] = any(one["count"] for one in context["waiting"])
    if may("campaigns.view_campaign"):
        context["campaigns"] = campaigns(now)
    if may("switches.view_switchthrow"):
        context["thrown"] = [row for row in overview.rows(now) if row.throws]
    if may("snapshot.view_heartbeat"):
        context["instances"] = _instances(now)
    return context


def campaigns(now: datetime) -> list[dict[str, Any]]:
    """Those that sell, those that come next, those that just ended; one query."""
    near = Q(state=CampaignState.LIVE) | Q(state=CampaignState.APPROVED)
    over = Q(state=CampaignState.ENDED, ended_at__gt=now - ENDED_WITHIN)
    rank = {CampaignState.LIVE: 0, CampaignState.APPROVED: 1, CampaignState.ENDED: 2}
    found = _with_units(Campaign.objects.filter(near | over)).order_by("starts_at", "pk")[:100]
    ordered = sorted(found, key=lambda one: rank[CampaignState(one.state)])
    return [_shown(one) for one in ordered[:SHOWN]]


def _with_units(chosen: Any) -> Any:
    """Sold without reading orders: by I1 it is what is neither in the pool nor in a shard."""
    ours = Item.objects.filter(campaign=OuterRef("pk")).values("campaign")
    pools = Pool.objects.filter(item__campaign=OuterRef("pk")).values("item__campaign")
    shards = Allocation.objects.filter(item__campaign=OuterRef("pk")).exclude(
        state=AllocationState.CLOSED
    )
    return chosen.annotate(
        planned=Coalesce(Subquery(ours.values(sum=Sum("units"))), 0),
        total=Coalesce(Subquery(pools.values(sum=Sum("total"))), 0),
        free=Coalesce(Subquery(pools.values(sum=Sum("unallocated"))), 0),
        in_shards=Coalesce(
            Subquery(shards.values("item__campaign").values(sum=Sum(F("granted") - F("consumed")))),
            0,
        ),
    )


def _shown(campaign: Any) -> dict[str, Any]:
    total = campaign.total or campaign.planned
    sold = max(0, campaign.total - campaign.free - campaign.in_shards)
    return {
        "campaign": campaign,
        "url": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
        "sold": sold,
        "total": total,
        "percent": round(100 * sold / total) if total else 0,
        "moment": campaign.starts_at
        if campaign.state == CampaignState.APPROVED
        else campaign.ends_at,
    }


def _instances(now: datetime) -> dict[str, Any]:
    beats: Iterable[Heartbeat] = Heartbeat.objects.all()
    alive = [beat for beat in beats if beat.at > now - STALE_AFTER]
    newest = Snapshot.objects.order_by("-version").values_list("version", flat=True).first()
    return {
        "alive": len(alive),
        "newest": newest,
        "current": sum(beat.lowest_version == newest for beat in alive),
    }
