"""Which reservations were followed, for whoever looks for a trace or for a message in Kafka."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from control_plane.orders.models import FollowedReservation

# As long as receivers of traces usually keep them; then only the trace's name would be left.
KEPT = timedelta(days=30)
FORGET_A_RUN = 5_000


class FollowedRow(NamedTuple):
    """One of them, and where its message stood."""

    reservation_id: str
    trace_id: str
    outbox: str
    topic: str
    partition: int
    offset: int


def note_followed(rows: Sequence[FollowedRow], now: datetime) -> None:
    """Write them down; a repeat changes nothing. Commits, where the caller has no transaction."""
    FollowedReservation.objects.bulk_create(
        (FollowedReservation(**row._asdict(), noted_at=now) for row in rows),
        ignore_conflicts=True,
    )


def forget_followed(now: datetime) -> int:
    """Drop those older than KEPT, some at a time; returns how many."""
    old = FollowedReservation.objects.filter(noted_at__lt=now - KEPT)
    some = list(old.values_list("pk", flat=True)[:FORGET_A_RUN])
    return FollowedReservation.objects.filter(pk__in=some).delete()[0]
