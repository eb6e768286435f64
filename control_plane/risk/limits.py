"""Creating, changing and removing rate limits; each publishes the snapshot, last."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from control_plane.risk import audit
from control_plane.risk.models import ChangeVerb, LimitBy, RateLimit, RiskChange
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise

# Purchases of one address, device or shopper: a person presses a button, perhaps twice.
DEFAULT_PER_S, DEFAULT_BURST = 3, 3


class LimitGone(Exception):
    """Somebody removed it."""

    code = "limit_gone"
    message: "_StrPromise" = _("There is no such limit any more.")


def create_limit(fields: dict[str, Any], by: "User | None", now: datetime) -> RateLimit:
    """`fields` are those of RateLimit. Raises ValidationError."""
    with transaction.atomic():
        limit = RateLimit(**fields)
        limit.full_clean()
        limit.save()
        audit.record(limit, ChangeVerb.CREATED, by, now)
        snapshots.publish(f"rate limit {limit.by} {limit.level} created", now)
    return limit


def change_limit(
    limit_id: int, fields: dict[str, Any], by: "User | None", now: datetime, reason: str = ""
) -> RateLimit:
    """Set these fields. Raises ValidationError, LimitGone."""
    with transaction.atomic():
        limit = _lock(limit_id)
        for name, value in fields.items():
            setattr(limit, name, value)
        limit.full_clean()
        limit.save()
        audit.record(limit, ChangeVerb.CHANGED, by, now, reason=reason)
        snapshots.publish(f"rate limit {limit.by} {limit.level} changed", now)
    return limit


def remove_limit(limit_id: int, by: "User | None", now: datetime) -> None:
    """Without any for everybody there is none. Raises LimitGone, also for a repeat."""
    with transaction.atomic():
        limit = _lock(limit_id)
        audit.record(limit, ChangeVerb.ENDED, by, now)
        limit.delete()
        snapshots.publish(f"rate limit {limit.by} {limit.level} removed", now)


def ensure_default_limits(now: datetime) -> None:
    """Those of a new installation; not again after somebody removed them. Idempotent.

    Its caller publishes.
    """
    with transaction.atomic():
        if RateLimit.objects.exists() or RiskChange.objects.filter(subject="ratelimit").exists():
            return
        for by in (LimitBy.ADDRESS, LimitBy.DEVICE, LimitBy.SHOPPER):
            fields = {"by": by, "per_s": DEFAULT_PER_S, "burst": DEFAULT_BURST}
            limit = RateLimit.objects.create(**fields)
            audit.record(limit, ChangeVerb.CREATED, None, now)


def _lock(limit_id: int) -> RateLimit:
    limit = RateLimit.objects.select_for_update().filter(pk=limit_id).first()
    if limit is None:
        raise LimitGone
    return limit
