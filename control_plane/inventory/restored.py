"""After PostgreSQL was restored from a backup: the epochs that it has forgotten.

Between the backup and the loss shards went on: epochs were opened, units granted, reservations
taken, of which this database knows nothing. They are in the outboxes and in Kafka, and come again.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from control_plane.campaigns.models import CampaignState, Item
from control_plane.inventory import sources
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    Rearm,
    RearmMode,
    RearmStage,
)
from control_plane.inventory.pools import lock_pool
from control_plane.inventory.rearms import STEPS, advance, close_epoch, fence
from control_plane.snapshot import services as snapshots

# An epoch passes over some numbers to lie on the wanted master, about one for each master: this is
# some thirty re-arms of a shard on three masters, more than a backup's age has.
NUMBERS = 100


@dataclass(frozen=True)
class Passed:
    """One shard: the units that went to the pool, and the first number that is free."""

    item: int
    shard: int
    returned: int
    next_epoch: int


def pass_over_lost_epochs(reason: str, numbers: int = NUMBERS) -> list[Passed]:
    """End every epoch of this database, and close the numbers behind them before anybody lands.

    A reservation of an epoch that is closed is late: it takes a unit of the pool or is refused with
    a reason. Of one that is open here it would be refused above what was granted before the backup,
    of a number that nobody knows it would be refused always, and of one that is given out a second
    time it would take another shopper's unit. Nothing waits for a barrier, so gateways, stock agent
    and consumers must be stopped, and everything landed before the agent sells again. Run it once:
    again it passes over as many more. Raises ValueError for a bad reason.
    """
    source = sources.current_source()[0]
    items = Item.objects.filter(campaign__settled_at=None).exclude(
        campaign__state=CampaignState.DRAFT
    )
    with transaction.atomic():
        passed = [
            _pass_over(item, shard, numbers, reason, source)
            for item in items.order_by("pk")
            for shard in range(item.shards)
        ]
        snapshots.publish(f"restored: {reason}")
    return passed


def _pass_over(item: Item, shard: int, numbers: int, reason: str, source: str) -> Passed:
    lock_pool(item.pk)
    ours = Allocation.objects.filter(item=item, shard=shard)
    fence(ours, RearmMode.FULL, reason, None)
    open_ones = Rearm.objects.filter(allocation__in=ours).exclude(stage=RearmStage.CLOSED)
    returned = sum(_close(rearm) for rearm in open_ones.order_by("allocation__epoch"))
    last = max(ours.values_list("epoch", flat=True), default=0)
    now = timezone.now()
    Allocation.objects.bulk_create(
        Allocation(
            item=item,
            shard=shard,
            epoch=epoch,
            source=source,
            state=AllocationState.CLOSED,
            closed_at=now,
        )
        for epoch in range(last + 1, last + 1 + numbers)
    )
    return Passed(item.pk, shard, returned, last + 1 + numbers)


def _close(rearm: Rearm) -> int:
    """Through its stages without what they wait for: nothing of it is left in this database."""
    stage = RearmStage(rearm.stage)
    while following := STEPS.get(stage):
        advance(rearm.pk, stage, following, 1 if following == RearmStage.BARRIER_SENT else None)
        stage = following
    return close_epoch(rearm.pk)
