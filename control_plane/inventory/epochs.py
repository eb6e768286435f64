"""An epoch's beginning: opened, claimed by one life of one node, published (DESIGN §5)."""

import re

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.inventory import sources
from control_plane.inventory.errors import AllocationNotSelling, LifeTaken
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    Rearm,
    RearmMode,
    RearmStage,
    Source,
)
from control_plane.inventory.pools import lock_pool
from control_plane.snapshot import services as snapshots

# How many numbers an epoch may pass over, so that its keys lie on the wanted master.
EPOCH_GAP_MAX = 10_000
# A script's SHA-1, and a master_replid.
HEX_40 = re.compile(r"[0-9a-f]{40}")


def open_epoch(
    item_id: int, shard: int, *, after: int, epoch: int, source: str
) -> Allocation | None:
    """The next epoch of (item, shard); None while it may not be opened.

    None unless the shard's last epoch is `after` (0: there is none) and none sells, the campaign
    has not ended, `source` is the one that sells, and every old epoch of the shard that is not
    closed can sell no more. Raises NoPool; ValueError unless after < epoch ≤ after + EPOCH_GAP_MAX.
    """
    if not after < epoch <= after + EPOCH_GAP_MAX:
        raise ValueError(f"epoch {epoch} does not follow {after}")
    with transaction.atomic():
        # A change of source, the end of the campaign and another agent: each of them either is
        # seen below or waits here for us, and then sees what we opened.
        sources.hold_still()
        lock_pool(item_id)
        ours = Allocation.objects.filter(item_id=item_id, shard=shard)
        known = list(ours.values_list("epoch", "state"))
        if (
            max((number for number, _ in known), default=0) != after
            or any(state == AllocationState.SELLING for _, state in known)
            or sources.current_source()[0] != source
            or Campaign.objects.filter(items=item_id, state=CampaignState.ENDED).exists()
            or _waits_for_an_old_epoch(item_id, shard, source)
        ):
            return None
        return Allocation.objects.create(item_id=item_id, shard=shard, epoch=epoch, source=source)


def claim_life(allocation_id: int, life: str) -> None:
    """Bind the epoch to one life of one node, before its first key is written. Idempotent.

    The first writer wins: an agent that sees the old master and one that sees the new one would
    else both arm this epoch. Raises LifeTaken for any other life, AllocationNotSelling when there
    is no such allocation; ValueError for something that is not a `master_replid`.
    """
    if not HEX_40.fullmatch(life):
        raise ValueError(f"not a life: {life!r}")
    ours = Allocation.objects.filter(pk=allocation_id)
    if ours.filter(life="").update(life=life):
        return
    owner = ours.values_list("life", flat=True).first()
    if owner is None:
        raise AllocationNotSelling(allocation_id)
    if owner != life:
        raise LifeTaken(allocation_id, owner)


def record_armed(allocation_id: int, script_sha: str) -> None:
    """The shard runs the reserve script `script_sha`: tell the gateways. Idempotent.

    "" is for the source `database`, which has no script, and for nothing else. Raises
    AllocationNotSelling; ValueError for something that is not a SHA-1 in lower-case hex.
    """
    if script_sha and not HEX_40.fullmatch(script_sha):
        raise ValueError(f"not a SHA-1: {script_sha!r}")
    selling = Allocation.objects.filter(pk=allocation_id, state=AllocationState.SELLING)
    in_database = Q(source=Source.DATABASE)
    with transaction.atomic():
        ours = selling.exclude(in_database) if script_sha else selling.filter(in_database)
        if not ours.update(script_sha=script_sha):
            raise AllocationNotSelling(allocation_id)
        snapshots.publish(f"allocation {allocation_id} armed")


def draining(item_id: int, shard: int) -> list[Allocation]:
    """Old epochs that may have undecided reservations, oldest first, with their re-arms."""
    ours = Allocation.objects.filter(item_id=item_id, shard=shard, state=AllocationState.DRAINING)
    return list(ours.select_related("rearm").order_by("epoch"))


def _waits_for_an_old_epoch(item_id: int, shard: int, source: str) -> bool:
    """Full mode waits for the close; fast mode only until the old epoch cannot sell any more.

    Who gives a shard up moves its stage on without a disarm: the lease goes on, even beyond the
    close.
    The database knows no shard's buyers but those that are decided, so it waits for the close too,
    unless the change was forced and the old source may be gone for good.
    """
    rearms = Rearm.objects.filter(allocation__item_id=item_id, allocation__shard=shard)
    unfinished = rearms.exclude(stage=RearmStage.CLOSED)
    lease_is_over = Q(lease_until__lte=Now())
    if rearms.filter(given_up_at__isnull=False, lease_until__gt=Now()).exists():
        return True
    if source == Source.DATABASE:
        return unfinished.exclude(lease_is_over).exists()
    still_sells = Q(stage=RearmStage.FENCED) & ~lease_is_over
    return unfinished.filter(Q(mode=RearmMode.FULL) | still_sells).exists()
