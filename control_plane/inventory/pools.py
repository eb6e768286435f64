"""An item's pool: opening it, locking it, and whether its books balance."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from control_plane.campaigns.models import Item
from control_plane.inventory.errors import NoPool
from control_plane.inventory.models import Allocation, AllocationState, Pool
from control_plane.orders.models import LIVE_STATES, Order


def open_pool(item: Item) -> Pool:
    """Put the item's units into its pool; a repeat gives the pool that is there. Idempotent."""
    pool, _ = Pool.objects.get_or_create(
        item=item, defaults={"total": item.units, "unallocated": item.units}
    )
    return pool


def lock_pool(item_id: int) -> Pool:
    """The pool, ours until the transaction ends. Whoever holds it is alone with the item's units.

    Pools come before allocations, several of them in item order: the same order everywhere, so that
    nobody waits in a circle. Raises NoPool.
    """
    pool = Pool.objects.select_for_update(no_key=True).filter(pk=item_id).first()
    if pool is None:
        raise NoPool(item_id)
    return pool


def lock_pools(item_ids: Iterable[int]) -> None:
    """As `lock_pool`, of several items; those without a pool have no units to guard."""
    ours = Pool.objects.filter(pk__in=list(item_ids)).order_by("pk")
    list(ours.select_for_update(no_key=True).values_list("pk"))


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
        Allocation.objects.filter(item=OuterRef("pk"))
        .exclude(state=AllocationState.CLOSED)
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


def conservations(item_ids: Collection[int]) -> dict[int, Conservation]:
    """As `conservation`, for many and all of one moment; those without a pool are left out."""
    pools = with_terms(Pool.objects.filter(pk__in=item_ids))
    return {pool.pk: Conservation.of(pool) for pool in pools}
