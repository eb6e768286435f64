"""How webhooks are doing, for metrics and people. Reads only."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Min, Q

from control_plane.webhooks.models import Delivery, DeliveryState, Endpoint

FAILED_WITHIN = timedelta(hours=24)


class Figures(NamedTuple):
    """Of endpoints that are on, but for `off`; `oldest_s` is the age of the oldest that waits."""

    pending: int
    oldest_s: float
    failed: int
    failing_endpoints: int
    off: int


def figures(now: datetime) -> Figures:
    """As of now."""
    waiting = Delivery.objects.filter(state=DeliveryState.PENDING, endpoint__active=True)
    pending = waiting.aggregate(count=Count("pk"), oldest=Min("created_at"))
    failed = Delivery.objects.filter(
        state=DeliveryState.FAILED, finished_at__gt=now - FAILED_WITHIN
    ).count()
    # What people switched off is no fault.
    endpoints = Endpoint.objects.aggregate(
        failing=Count("pk", filter=Q(active=True, failures__gt=0)),
        off=Count("pk", filter=Q(active=False) & ~Q(off_reason="people")),
    )
    oldest = pending["oldest"]
    age_s = (now - oldest).total_seconds() if oldest else 0.0
    return Figures(pending["count"], age_s, failed, endpoints["failing"], endpoints["off"])
