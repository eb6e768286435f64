"""What PostgreSQL says is on sale and leased. Reads only; services make every change."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from control_plane.campaigns.models import CampaignState, Item
from control_plane.inventory.models import Allocation, AllocationState, Source
from control_plane.orders.models import DatabaseIntent
from workers.stock.keys import Shard


@dataclass(frozen=True)
class SaleItem:
    """An item that shards must be armed for."""

    id: int
    limit: int
    shards: int
    is_live: bool


def on_sale(now: datetime, lead: timedelta) -> list[SaleItem]:
    """Items of campaigns that are live, or approved and starting within `lead`."""
    running = Q(campaign__state=CampaignState.LIVE)
    soon = Q(campaign__state=CampaignState.APPROVED, campaign__starts_at__lte=now + lead)
    items = Item.objects.filter(running | soon, pool__isnull=False).order_by("pk")
    found = items.values_list("pk", "limit_per_shopper", "shards", "campaign__state")
    return [
        SaleItem(pk, limit, count, state == CampaignState.LIVE) for pk, limit, count, state in found
    ]


def shard_of(allocation: Allocation) -> Shard:
    """Where the allocation's keys are, whatever its state."""
    return Shard(allocation.item_id, allocation.shard, allocation.epoch, allocation.source)


def database_outbox(allocation: Allocation) -> QuerySet[DatabaseIntent]:
    """What stands for the outbox in an epoch of the source `database`."""
    return DatabaseIntent.objects.filter(
        item_id=allocation.item_id, shard=allocation.shard, epoch=allocation.epoch
    )


@dataclass(frozen=True)
class Outbox:
    """A shard's outbox. Nobody can sell into it once it `is_closed`.

    `is_long_closed` when nobody reads the epoch's buyers any more, `is_over` when the sale ended a
    long time ago.
    """

    shard: Shard
    is_closed: bool
    is_long_closed: bool
    is_over: bool


def outboxes(now: datetime, keep: timedelta, readable: timedelta) -> list[Outbox]:
    """Outboxes that may hold intents, of both stock clusters.

    Every epoch that is not closed, without a limit in time, and closed ones until `keep` after the
    end of the sale, or after their own if that was later: what a failover may have left in them was
    promised to shoppers. One is long closed after `readable`.
    """
    is_recent = Q(item__campaign__ends_at__gt=now - keep) | Q(closed_at__gt=now - keep)
    rows = (
        Allocation.objects.filter(is_recent | ~Q(state=AllocationState.CLOSED))
        .exclude(source=Source.DATABASE)
        .order_by("pk")
        .values_list(
            *("item_id", "shard", "epoch", "source", "state", "closed_at"),
            "item__campaign__ends_at",
        )
    )
    return [
        Outbox(
            Shard(item, shard, epoch, source),
            is_closed=state == AllocationState.CLOSED,
            is_long_closed=state == AllocationState.CLOSED
            and (closed_at is None or closed_at <= now - readable),
            is_over=ends_at <= now - keep,
        )
        for item, shard, epoch, source, state, closed_at, ends_at in rows
    ]
