"""An epoch's end: fenced, disarmed, drained, barrier, closed (DESIGN §5).

Each step is a conditional UPDATE and safe to repeat; what is left to do stands in the rows.
"""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.inventory import changes
from control_plane.inventory.errors import (
    AllocationNotSelling,
    RearmNotReady,
    RearmTooFar,
    RearmUnknown,
)
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    BarrierSeen,
    Pool,
    Rearm,
    RearmMode,
    RearmStage,
)
from control_plane.inventory.pools import lock_pool, lock_pools
from control_plane.inventory.reasons import checked
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The last step, `close_epoch`, also moves the leftover.
STEPS = {
    RearmStage.FENCED: RearmStage.DISARMED,
    RearmStage.DISARMED: RearmStage.DRAINED,
    RearmStage.DRAINED: RearmStage.BARRIER_SENT,
}
_NOTE_BARRIERS = """
INSERT INTO inventory_barrierseen (rearm_id, partition)
SELECT rearm_id, partition FROM unnest(%s::uuid[], %s::int[]) AS seen (rearm_id, partition)
 ORDER BY rearm_id, partition
ON CONFLICT DO NOTHING
"""


def begin_rearm(allocation_id: int, mode: str, reason: str, by: "User | None" = None) -> Rearm:
    """The fence: this very epoch sells no more, and the gateways hear it at once.

    Raises AllocationNotSelling, also when somebody else has fenced it before; ValueError for an
    unknown mode or a reason that is missing or too long.
    """
    with transaction.atomic():
        ours = Allocation.objects.filter(pk=allocation_id)
        rearms = fence(ours, mode, reason, by)
        if not rearms:
            raise AllocationNotSelling(allocation_id)
        snapshots.publish(f"allocation {allocation_id} fenced: {reason}")
    return rearms[0]


def fence(
    allocations: QuerySet[Allocation], mode: str, reason: str, by: "User | None"
) -> list[Rearm]:
    """selling → draining for those of the allocations that sell; the caller publishes.

    Whoever fences allocations of several items takes their pools' locks before.
    """
    mode, reason = RearmMode(mode), checked(reason)
    selling = allocations.filter(state=AllocationState.SELLING)
    ordered = selling.order_by("item_id", "shard", "epoch")
    fenced = list(ordered.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    Allocation.objects.filter(pk__in=fenced).update(state=AllocationState.DRAINING)
    return Rearm.objects.bulk_create(
        Rearm(allocation_id=pk, mode=mode, reason=reason, by=by) for pk in fenced
    )


def end_sale(item_ids: Iterable[int]) -> None:
    """The campaign of these items has ended: what its shards have left returns to the pool.

    In the transaction that ended the campaign, and before it publishes.
    """
    items = sorted(item_ids)
    lock_pools(items)
    fence(Allocation.objects.filter(item_id__in=items), RearmMode.FULL, "campaign ended", None)
    changes.finish_withdrawals(items)


def open_rearms() -> list[Rearm]:
    """Old epochs that are not closed yet, oldest first, with their allocations.

    Of all items: those of ended campaigns still have units to return.
    """
    unfinished = Rearm.objects.exclude(stage=RearmStage.CLOSED).select_related("allocation")
    return list(unfinished.order_by("created_at", "pk"))


def advance(
    rearm_id: uuid.UUID, from_stage: str, to_stage: str, partitions: int | None = None
) -> bool:
    """One stage on; False when somebody was there before. Idempotent.

    `partitions` is how many of Kafka's have the barrier, and belongs to `barrier_sent` alone.
    ValueError for a step that does not exist; `close_epoch` is the last one.
    """
    if STEPS.get(RearmStage(from_stage)) != to_stage:
        raise ValueError(f"no step leads from {from_stage} to {to_stage}")
    if (to_stage == RearmStage.BARRIER_SENT) != (partitions is not None and partitions >= 1):
        raise ValueError(f"partitions {partitions} with {to_stage}")
    return bool(
        Rearm.objects.filter(pk=rearm_id, stage=from_stage).update(
            stage=to_stage, stage_at=timezone.now(), partitions=partitions
        )
    )


def give_up(rearm_id: uuid.UUID, reason: str, by: "User | None") -> None:
    """The node is gone for good: go on without its disarm and without its outbox (audited).

    Reservations that only that node knew are lost, late ones take from the pool. A repeat keeps
    the first reason. Raises RearmTooFar once the epoch is closed; ValueError for a reason that is
    missing or too long.
    """
    ours = Rearm.objects.filter(pk=rearm_id)
    if not give_up_waiting(ours, reason, by) and not ours.exclude(stage=RearmStage.CLOSED).exists():
        raise RearmTooFar(rearm_id)


def give_up_waiting(rearms: QuerySet[Rearm], reason: str, by: "User | None") -> int:
    """`give_up` for those of the re-arms that are not closed or given up yet; returns how many.

    What was drained stays at its stage: it waits for the rest of its outbox until it is given up.
    """
    now = timezone.now()
    needs_its_node = Q(stage__in=[RearmStage.FENCED, RearmStage.DISARMED])
    return (
        rearms.exclude(stage=RearmStage.CLOSED)
        .filter(given_up_at=None)
        .update(
            stage=Case(When(needs_its_node, then=Value(RearmStage.DRAINED)), default=F("stage")),
            stage_at=Case(When(needs_its_node, then=Value(now)), default=F("stage_at")),
            given_up_at=now,
            given_up_by=by,
            given_up_reason=checked(reason),
        )
    )


def note_barriers(pairs: Iterable[tuple[uuid.UUID, int]]) -> None:
    """Everything before these (re-arm, partition) barriers is decided. Idempotent.

    Belongs into the transaction that decided it: `orders.services.land` does so.
    """
    seen = list(pairs)
    if not seen:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE_BARRIERS,
            [[str(rearm_id) for rearm_id, _ in seen], [partition for _, partition in seen]],
        )


def all_seen(rearm_id: uuid.UUID) -> bool:
    """Consumers have landed what stood before the barrier in every partition."""
    partitions = Rearm.objects.filter(pk=rearm_id).values_list("partitions", flat=True).first()
    if partitions is None:
        return False
    seen = BarrierSeen.objects.filter(rearm_id=rearm_id, partition__lt=partitions)
    return seen.count() == partitions


def close_epoch(rearm_id: uuid.UUID) -> int:
    """The old epoch is over: its leftover goes back to the pool, once. Returns the units moved.

    A repeat moves nothing and returns 0. Raises RearmUnknown, and RearmNotReady before the
    barrier was sent.
    """
    rearm = Rearm.objects.select_related("allocation").filter(pk=rearm_id).first()
    if rearm is None:
        raise RearmUnknown(rearm_id)
    if rearm.stage not in (RearmStage.BARRIER_SENT, RearmStage.CLOSED):
        raise RearmNotReady(rearm_id)
    allocation_id, item_id = rearm.allocation_id, rearm.allocation.item_id
    now = timezone.now()
    with transaction.atomic():
        lock_pool(item_id)
        if not _leave_draining(allocation_id):
            return 0
        leftover = Allocation.objects.get(pk=allocation_id).leftover
        Pool.objects.filter(pk=item_id).update(unallocated=F("unallocated") + leftover)
        Rearm.objects.filter(pk=rearm_id).update(stage=RearmStage.CLOSED, stage_at=now)
        if Campaign.objects.filter(items=item_id, state=CampaignState.ENDED).exists():
            withdrawn = changes.finish_withdrawals([item_id])
            if withdrawn:
                snapshots.publish(f"item {item_id}: {withdrawn} units withdrawn")
    return leftover


def _leave_draining(allocation_id: int) -> bool:
    """draining → closed by one conditional UPDATE: of two who close at once, one moves units."""
    draining = Allocation.objects.filter(pk=allocation_id, state=AllocationState.DRAINING)
    return bool(draining.update(state=AllocationState.CLOSED, closed_at=timezone.now()))
