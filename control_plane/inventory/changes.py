"""What marketers add to a sale and withdraw from it while it runs."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.inventory.errors import (
    CampaignOver,
    ChangeNotWaiting,
    NotEnoughUnits,
    TooManyUnits,
)
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    ChangeKind,
    ChangeState,
    Pool,
    Source,
    StockChange,
)
from control_plane.inventory.pools import lock_pool
from control_plane.inventory.reasons import checked
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What a PostgreSQL integer holds.
UNITS_MAX = 2**31 - 1


def top_up(item_id: int, qty: int, reason: str, by: "User | None") -> StockChange:
    """Add units to the pool; shards get them by the stock agent's grants.

    Raises NoPool, CampaignOver, TooManyUnits; ValueError when qty < 1 or for a bad reason.
    """
    _at_least_one(qty)
    with transaction.atomic():
        pool = lock_pool(item_id)
        _is_running(item_id)
        if pool.total + qty > UNITS_MAX:
            raise TooManyUnits(item_id, qty)
        Pool.objects.filter(pk=item_id).update(
            total=F("total") + qty, unallocated=F("unallocated") + qty
        )
        change = StockChange.objects.create(
            item_id=item_id,
            kind=ChangeKind.TOP_UP,
            qty=qty,
            done=qty,
            state=ChangeState.DONE,
            reason=checked(reason),
            by=by,
            finished_at=timezone.now(),
        )
        snapshots.publish(f"item {item_id}: {qty} units added")
    return change


def withdraw(item_id: int, qty: int, reason: str, by: "User | None") -> StockChange:
    """Take units out of the sale: at once what the pool has, the rest as shards give it back.

    Units in shards may be sold before the agent gets them back; what is missing at the end of the
    campaign is not withdrawn. Raises NoPool, CampaignOver, NotEnoughUnits when fewer are unsold and
    not yet waited for; ValueError when qty < 1 or for a bad reason.
    """
    _at_least_one(qty)
    with transaction.atomic():
        pool = lock_pool(item_id)
        _is_running(item_id)
        unsold = pool.unallocated + _in_shards(item_id) - waiting_units(item_id)
        if qty > unsold:
            raise NotEnoughUnits(item_id, qty)
        change = StockChange.objects.create(
            item_id=item_id, kind=ChangeKind.WITHDRAW, qty=qty, reason=checked(reason), by=by
        )
        if _settle(pool):
            snapshots.publish(f"item {item_id}: {qty} units withdrawn")
    change.refresh_from_db()
    return change


def cancel_withdrawal(change_id: int, by: "User | None") -> StockChange:
    """Wait no more for the rest of a withdrawal; what was withdrawn stays so.

    Raises ChangeNotWaiting.
    """
    ours = StockChange.objects.filter(pk=change_id, state=ChangeState.WAITING)
    item_id = ours.values_list("item_id", flat=True).first()
    if item_id is None:
        raise ChangeNotWaiting(change_id)
    now = timezone.now()
    with transaction.atomic():
        # Whoever settles it has read it under this lock and would write the rest over it.
        lock_pool(item_id)
        partly = ChangeState.PARTLY
        if not ours.update(state=partly, finished_at=now, cancelled_at=now, cancelled_by=by):
            raise ChangeNotWaiting(change_id)
    return StockChange.objects.get(pk=change_id)


def waiting_units(item_id: int) -> int:
    """Units that withdrawals still wait for. Final while the pool is locked."""
    waiting = StockChange.objects.filter(item_id=item_id, state=ChangeState.WAITING)
    return waiting.aggregate(units=Sum(F("qty") - F("done")))["units"] or 0


def settle_withdrawals(item_ids: Iterable[int]) -> int:
    """Give waiting withdrawals what has come back to the pools; returns the units withdrawn.

    One statement when none waits. The agent calls it before it grants.
    """
    waiting = StockChange.objects.filter(
        item_id__in=list(item_ids), state=ChangeState.WAITING, item__pool__unallocated__gt=0
    )
    withdrawn = 0
    for item_id in sorted(set(waiting.values_list("item_id", flat=True))):
        with transaction.atomic():
            units = _settle(lock_pool(item_id))
            if units:
                snapshots.publish(f"item {item_id}: {units} units withdrawn")
        withdrawn += units
    return withdrawn


def finish_withdrawals(item_ids: Iterable[int]) -> int:
    """Of an ended campaign: what is not in the pool once every epoch is closed was sold.

    Inside a transaction that holds the pools' locks; the caller publishes when units were moved.
    Returns how many. Idempotent.
    """
    waiting = StockChange.objects.filter(item_id__in=list(item_ids), state=ChangeState.WAITING)
    withdrawn = 0
    for item_id in sorted(set(waiting.values_list("item_id", flat=True))):
        withdrawn += _settle(lock_pool(item_id))
        unfinished = Allocation.objects.filter(item_id=item_id).exclude(
            state=AllocationState.CLOSED
        )
        if not unfinished.exists():
            waiting.filter(item_id=item_id).update(
                state=ChangeState.PARTLY, finished_at=timezone.now()
            )
    return withdrawn


def _settle(pool: Pool) -> int:
    """Under the pool's lock: oldest first, each as far as the pool goes."""
    free = pool.unallocated
    waiting = StockChange.objects.filter(item_id=pool.pk, state=ChangeState.WAITING)
    for change in waiting.order_by("pk"):
        units = min(free, change.qty - change.done)
        free -= units
        change.done += units
        if change.done == change.qty:
            change.state, change.finished_at = ChangeState.DONE, timezone.now()
        change.save(update_fields=["done", "state", "finished_at"])
    withdrawn = pool.unallocated - free
    Pool.objects.filter(pk=pool.pk).update(
        total=F("total") - withdrawn, unallocated=F("unallocated") - withdrawn
    )
    return withdrawn


def _in_shards(item_id: int) -> int:
    """What could still come back. The leftover of a database epoch is reservations, all of it."""
    held = Allocation.objects.filter(item_id=item_id).exclude(state=AllocationState.CLOSED)
    of_shards = held.exclude(source=Source.DATABASE)
    return of_shards.aggregate(units=Sum(F("granted") - F("consumed")))["units"] or 0


def _is_running(item_id: int) -> None:
    if Campaign.objects.filter(items=item_id, state=CampaignState.ENDED).exists():
        raise CampaignOver(item_id)


def _at_least_one(qty: int) -> None:
    if qty < 1:
        raise ValueError(f"at least one unit, not {qty}")
