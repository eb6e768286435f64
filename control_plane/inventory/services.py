"""Moving units between the pool and the shards (DESIGN §5).

Locks are always taken in the order pool → allocation; whoever lands or returns orders keeps to it.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from control_plane.campaigns.models import Item
from control_plane.inventory.models import Allocation, Grant, Pool
from control_plane.orders.models import LIVE_STATES, Order
from control_plane.snapshot import services as snapshots

SHA1_PATTERN = re.compile(r"[0-9a-f]{40}")


class InventoryError(Exception):
    """Units were not moved."""


class NoPool(InventoryError):
    """The item has no pool: its campaign was never approved."""


class NotEnoughUnits(InventoryError):
    """The pool holds fewer units than were asked for."""


class AllocationNotOpen(InventoryError):
    """The allocation does not exist or its epoch is closed."""


class GrantUnknown(InventoryError):
    """No grant has this id."""


def open_pool(item: Item) -> Pool:
    """Put the item's units into its pool; a repeat gives the pool that is there. Idempotent."""
    pool, _ = Pool.objects.get_or_create(
        item=item, defaults={"total": item.units, "unallocated": item.units}
    )
    return pool


def open_allocation(item_id: int, shard: int) -> Allocation:
    """The open allocation of (item, shard); when there is none, one of the next epoch. Idempotent.

    Raises NoPool.
    """
    with transaction.atomic():
        # The pool's lock, so that two callers do not both count the same next epoch.
        if not Pool.objects.select_for_update().filter(item_id=item_id).exists():
            raise NoPool(item_id)
        ours = Allocation.objects.filter(item_id=item_id, shard=shard)
        already_open = ours.filter(closed=False).first()
        if already_open is not None:
            return already_open
        last_epoch = ours.aggregate(last=Max("epoch"))["last"] or 0
        return Allocation.objects.create(item_id=item_id, shard=shard, epoch=last_epoch + 1)


def record_armed(allocation_id: int, script_sha: str) -> None:
    """The shard runs the reserve script `script_sha`: tell the gateways. Idempotent.

    Raises AllocationNotOpen; ValueError for something that is not a SHA-1 in lower-case hex.
    """
    if not SHA1_PATTERN.fullmatch(script_sha):
        raise ValueError(f"not a SHA-1: {script_sha!r}")
    with transaction.atomic():
        recorded = Allocation.objects.filter(pk=allocation_id, closed=False).update(
            script_sha=script_sha
        )
        if not recorded:
            raise AllocationNotOpen(allocation_id)
        snapshots.publish(f"allocation {allocation_id} armed")


def begin_grant(allocation_id: int, qty: int) -> Grant:
    """Move `qty` units pool → allocation in PostgreSQL; the shard gets them from the grant's id.

    Not idempotent: every call moves units. Repeat the *grant* (`pending_grants`), never this call.
    Raises NotEnoughUnits or AllocationNotOpen and then moves nothing; ValueError when qty < 1.
    """
    if qty < 1:
        raise ValueError(f"a grant has at least one unit, not {qty}")
    with transaction.atomic():
        item_id = _item_of(allocation_id)
        if not _take_from_pool(item_id, qty):
            raise NotEnoughUnits(item_id, qty)
        opened = Allocation.objects.filter(pk=allocation_id, closed=False)
        if not opened.update(granted=F("granted") + qty):
            raise AllocationNotOpen(allocation_id)
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


@dataclass(frozen=True)
class Conservation:
    """I1 of one item: total = unallocated + open_leftover + live_orders."""

    item_id: int
    total: int
    unallocated: int
    open_leftover: int
    live_orders: int

    @classmethod
    def of(cls, pool: Any) -> "Conservation":
        """Of a pool that came `with_terms`."""
        return cls(pool.pk, pool.total, pool.unallocated, pool.open_leftover, pool.live_orders)

    @property
    def drift(self) -> int:
        """Units that are missing (positive) or there twice (negative); 0 always."""
        return self.total - self.unallocated - self.open_leftover - self.live_orders


def with_terms(pools: QuerySet[Pool]) -> QuerySet[Any]:
    """The pools with `open_leftover` and `live_orders` beside them.

    One statement, hence one view of the database: no commit falls between the terms of I1.
    """
    leftover = (
        Allocation.objects.filter(item=OuterRef("pk"), closed=False)
        .values("item")
        .values(units=Sum(F("granted") - F("consumed")))
    )
    live = (
        Order.objects.filter(item=OuterRef("pk"), state__in=LIVE_STATES)
        .values("item")
        .values(units=Sum("qty"))
    )
    return pools.annotate(
        open_leftover=Coalesce(Subquery(leftover), 0), live_orders=Coalesce(Subquery(live), 0)
    )


def conservation(item_id: int) -> Conservation:
    """Where the item's units are. Raises NoPool."""
    pool = with_terms(Pool.objects.filter(pk=item_id)).first()
    if pool is None:
        raise NoPool(item_id)
    return Conservation.of(pool)


def _item_of(allocation_id: int) -> int:
    item_id = Allocation.objects.filter(pk=allocation_id).values_list("item_id", flat=True).first()
    if item_id is None:
        raise AllocationNotOpen(allocation_id)
    return item_id


def _take_from_pool(item_id: int, qty: int) -> bool:
    """One conditional UPDATE: the check and the taking cannot be separated by another grant."""
    pool = Pool.objects.filter(item_id=item_id, unallocated__gte=qty)
    return bool(pool.update(unallocated=F("unallocated") - qty))
