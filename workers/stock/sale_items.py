"""What PostgreSQL says is on sale and leased. Reads only; services make every change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q

from control_plane.campaigns.models import CampaignState, Item
from control_plane.inventory.models import Allocation, Pool
from workers.stock.keys import Shard


@dataclass(frozen=True)
class SaleItem:
    """An item that shards must be armed for."""

    id: int
    limit: int
    unallocated: int


def on_sale(now: datetime, lead: timedelta) -> list[SaleItem]:
    """Items of campaigns that are live, or approved and starting within `lead`."""
    running = Q(campaign__state=CampaignState.LIVE)
    soon = Q(campaign__state=CampaignState.APPROVED, campaign__starts_at__lte=now + lead)
    pools = (
        Pool.objects.filter(item__in=Item.objects.filter(running | soon))
        .order_by("item_id")
        .values_list("item_id", "item__limit_per_shopper", "unallocated")
    )
    return [SaleItem(*row) for row in pools]


def open_allocations(items: Iterable[SaleItem]) -> dict[tuple[int, int], Allocation]:
    """The open allocations of these items by (item, shard)."""
    found = Allocation.objects.filter(item_id__in=[item.id for item in items], closed=False)
    return {(allocation.item_id, allocation.shard): allocation for allocation in found}


@dataclass(frozen=True)
class Outbox:
    """A shard's outbox; `is_over` when nobody has been able to buy from it for a long time."""

    shard: Shard
    is_over: bool


def outboxes(now: datetime, keep: timedelta) -> list[Outbox]:
    """Outboxes that may hold intents, without a limit in time as long as units are undecided.

    A shard whose units are not all in orders may have sold some that PostgreSQL does not know yet.
    Where all are, everything is decided but what a failover may have left, and that is looked for
    until `keep` after the end. Closed epochs too: what their outbox still holds was promised to
    shoppers.
    """
    is_recent = Q(item__campaign__ends_at__gt=now - keep)
    rows = (
        Allocation.objects.filter(is_recent | Q(consumed__lt=F("granted")))
        .order_by("pk")
        .values_list("item_id", "shard", "epoch", "item__campaign__ends_at")
    )
    return [
        Outbox(Shard(item, shard, epoch), ends_at <= now - keep)
        for item, shard, epoch, ends_at in rows
    ]
