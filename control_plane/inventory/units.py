"""Units on their way: pool → shard (grant) and shard → pool (reclaim), by DESIGN §5."""

import uuid

from django.db import transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.utils import timezone

from control_plane.inventory import changes
from control_plane.inventory.errors import (
    AllocationNotSelling,
    GrantUnknown,
    NotEnoughUnits,
    ReclaimUnknown,
)
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    Grant,
    Pool,
    Reclaim,
    Source,
)
from control_plane.inventory.pools import lock_pool


def begin_grant(allocation_id: int, qty: int) -> Grant:
    """Move `qty` units pool → allocation in PostgreSQL; the shard gets them from the grant's id.

    Not idempotent: every call moves units. Repeat the *grant* (`pending_grants`), never this call.
    Withdrawals that wait for units come first. Raises NotEnoughUnits or AllocationNotSelling (also
    for an epoch of the source `database`, whose units stay in the pool) and then moves nothing;
    ValueError when qty < 1.
    """
    if qty < 1:
        raise ValueError(f"a grant has at least one unit, not {qty}")
    item_id = _item_of(allocation_id)
    with transaction.atomic():
        pool = lock_pool(item_id)
        if pool.unallocated - changes.waiting_units(item_id) < qty:
            raise NotEnoughUnits(item_id, qty)
        if not _selling_from_shard(allocation_id, granted=F("granted") + qty):
            raise AllocationNotSelling(allocation_id)
        Pool.objects.filter(pk=item_id).update(
            unallocated=F("unallocated") - qty, grants_begun=F("grants_begun") + 1
        )
        return Grant.objects.create(allocation_id=allocation_id, qty=qty)


def pending_grants(allocation_id: int) -> list[Grant]:
    """Grants that may not have reached the shard yet, oldest first."""
    waiting = Grant.objects.filter(allocation_id=allocation_id, applied_at=None)
    return list(waiting.order_by("created_at", "pk"))


def mark_grant_applied(grant_id: uuid.UUID) -> bool:
    """The shard has the units. True the first time, False for a repeat; raises GrantUnknown."""
    grant = Grant.objects.filter(pk=grant_id)
    if grant.filter(applied_at=None).update(applied_at=timezone.now()):
        return True
    if not grant.exists():
        raise GrantUnknown(grant_id)
    return False


def begin_reclaim(allocation_id: int, want: int, low_water: int) -> Reclaim:
    """Write down that the shard shall give up to `want` units and keep `low_water`.

    Nothing has moved yet: repeat the *reclaim* (`unsettled_reclaims`). Raises AllocationNotSelling
    as `begin_grant`; ValueError unless want ≥ 1 and low_water ≥ 0.
    """
    if want < 1 or low_water < 0:
        raise ValueError(f"cannot reclaim {want} units above {low_water}")
    item_id = _item_of(allocation_id)
    with transaction.atomic():
        lock_pool(item_id)
        if not _selling_from_shard(allocation_id, granted=F("granted")):
            raise AllocationNotSelling(allocation_id)
        Pool.objects.filter(pk=item_id).update(reclaims_begun=F("reclaims_begun") + 1)
        return Reclaim.objects.create(allocation_id=allocation_id, want=want, low_water=low_water)


def unsettled_reclaims() -> list[Reclaim]:
    """Reclaims of all items that have moved nothing yet, oldest first, with their allocations."""
    waiting = Reclaim.objects.filter(taken=None).select_related("allocation")
    return list(waiting.order_by("created_at", "pk"))


def settle_reclaim(reclaim_id: uuid.UUID, taken: int) -> int:
    """The script took `taken` units: to the pool, once. Returns the units it moved then.

    0 when the epoch sells no more: its units come back when it is closed. Also 0 when it has not so
    many left in the books, which only a shard with a spoilt counter can claim. Idempotent: a repeat
    gives the first answer. Raises ReclaimUnknown; ValueError unless 0 ≤ taken ≤ want.
    """
    reclaim = Reclaim.objects.select_related("allocation").filter(pk=reclaim_id).first()
    if reclaim is None:
        raise ReclaimUnknown(reclaim_id)
    if not 0 <= taken <= reclaim.want:
        raise ValueError(f"reclaim {reclaim_id} of {reclaim.want} cannot have taken {taken}")
    item_id = reclaim.allocation.item_id
    with transaction.atomic():
        lock_pool(item_id)
        settled = _settled_with(reclaim_id)
        if settled is not None:
            return settled
        if taken and not _selling_from_shard(
            reclaim.allocation_id, at_least=taken, granted=F("granted") - taken
        ):
            taken = 0
        Pool.objects.filter(pk=item_id).update(unallocated=F("unallocated") + taken)
        Reclaim.objects.filter(pk=reclaim_id).update(taken=taken, settled_at=timezone.now())
    return taken


def _selling_from_shard(allocation_id: int, *, at_least: int = 0, granted: Combinable) -> bool:
    """One conditional UPDATE, so that no fence falls between the check and the change."""
    selling = Allocation.objects.filter(
        pk=allocation_id,
        state=AllocationState.SELLING,
        granted__gte=F("consumed") + at_least,
    )
    return bool(selling.exclude(source=Source.DATABASE).update(granted=granted))


def _settled_with(reclaim_id: uuid.UUID) -> int | None:
    """Asked under the pool's lock: None while the reclaim has moved nothing."""
    return Reclaim.objects.values_list("taken", flat=True).get(pk=reclaim_id)


def _item_of(allocation_id: int) -> int:
    item_id = Allocation.objects.filter(pk=allocation_id).values_list("item_id", flat=True).first()
    if item_id is None:
        raise AllocationNotSelling(allocation_id)
    return item_id
