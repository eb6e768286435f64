"""Which stock sells, and changing over to another (DESIGN §5)."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from control_plane.inventory import rearms
from control_plane.inventory.errors import AlreadyThere, StandbyNotConfigured
from control_plane.inventory.models import (
    Allocation,
    AllocationState,
    Rearm,
    RearmMode,
    Source,
    StockSource,
)
from control_plane.inventory.pools import lock_pools
from control_plane.inventory.reasons import checked
from control_plane.snapshot import services as snapshots
from control_plane.snapshot.document import LEASE

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Any constant; comes before the pools. Shared by those who open epochs, exclusive for a change.
SOURCE_LOCK = 0x51_50CE
# One second more than the gateways' lease: for clocks, and for the time between our reading of the
# clock and the commit.
LEASE_IS_OVER_AFTER = LEASE + timedelta(seconds=1)


def current_source() -> tuple[str, int]:
    """The stock that sells and its generation, which grows with every change."""
    newest = StockSource.objects.order_by("-generation").values_list("source", "generation")
    return newest.first() or (Source.PRIMARY, 0)


def offered_sources() -> list[Source]:
    """What this installation can sell from."""
    return [one for one in Source if one != Source.STANDBY or settings.ENV.has_standby]


def switch_source(
    source: str,
    *,
    reason: str,
    by: "User | None",
    mode: str = RearmMode.FAST,
    forced: bool = False,
) -> StockSource:
    """Change the stock that sells: generation + 1, and every epoch of every item is fenced.

    Planned, each new epoch waits until its old one is disarmed, so nothing is late. `forced` waits
    for the gateways' lease instead: the old source may be gone for good. Raises AlreadyThere,
    StandbyNotConfigured; ValueError for an unknown source or mode or a bad reason.
    """
    source, mode, reason = Source(source), RearmMode(mode), checked(reason)
    if source not in offered_sources():
        raise StandbyNotConfigured
    with transaction.atomic():
        _lock("pg_advisory_xact_lock")
        before, generation = current_source()
        if source == before:
            raise AlreadyThere(source)
        change = StockSource.objects.create(
            source=source,
            generation=generation + 1,
            mode=mode,
            forced=forced,
            reason=reason,
            by=by,
        )
        selling = Allocation.objects.filter(state=AllocationState.SELLING)
        lock_pools(selling.values_list("item_id", flat=True).distinct())
        fenced = rearms.fence(selling, mode, f"stock source: {source}", by)
        snapshots.publish(f"stock source {source}: {reason}")
        if forced:
            # Last, since the lease counts from what gateways could hear before we commit. Rows of
            # our own: nobody waits for them.
            Rearm.objects.filter(pk__in=[rearm.pk for rearm in fenced]).update(
                lease_until=Now() + LEASE_IS_OVER_AFTER
            )
    return change


def give_up_lost_source(reason: str, by: "User | None") -> int:
    """`rearms.give_up` for all that waits for a source which does not sell any more; how many.

    For a whole cluster that is gone, after the change to another one. What was fenced just now is
    left out: its node may be about to answer, and gateways to hear of it. What is drained counts
    too, since it waits for the rest of its outbox. ValueError as `give_up`.
    """
    source, _ = current_source()
    long_ago = Now() - LEASE_IS_OVER_AFTER
    lost = Rearm.objects.exclude(allocation__source=source).filter(created_at__lt=long_ago)
    return rearms.give_up_waiting(lost, reason, by)


def hold_still() -> None:
    """Keep the source as it is until the transaction ends; before any pool's lock."""
    _lock("pg_advisory_xact_lock_shared")


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [SOURCE_LOCK])
