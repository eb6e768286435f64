"""Bans: written here, carried to the gateways by the risk scorer over the work Redis.

They do not go into the snapshot: there may be many thousands, and a new one every moment.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.risk import audit
from control_plane.risk.models import Ban, BanSource, ChangeVerb

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise


class BanOver(Exception):
    """It was lifted, or it ran out."""

    code = "ban_over"
    message: "_StrPromise" = _("This ban is not in force any more.")


def ban(
    kind: str,
    value: str,
    until: datetime,
    reason: str,
    source: str,
    *,
    by: "User | None" = None,
    now: datetime | None = None,
) -> Ban:
    """Ban until `until`. Idempotent: one that is in force is extended, never shortened.

    The value is made canonical (2001:DB8::1 → 2001:db8::1): compare with the returned row. Raises
    ValidationError by field; ValueError for an unknown source.
    """
    now = now or timezone.now()
    wish = Ban(
        kind=kind,
        value=value,
        until=until,
        reason=reason.strip(),
        source=BanSource(source),
        by=by,
        created_at=now,
        changed_at=now,
    )
    wish.full_clean(validate_constraints=False)
    if until <= now:
        raise ValidationError({"until": _("The end must be in the future.")})
    with transaction.atomic():
        _close(kind=wish.kind, value=wish.value, until__lte=now)
        done = _upsert(wish)
        written = Ban.objects.get(kind=wish.kind, value=wish.value, ended_at=None)
        # The scorer's extensions are in the row; one line for each would be many times the bans.
        if done == ChangeVerb.CREATED or (done and source == BanSource.PERSON):
            audit.record(written, done, by, now)
    return written


def active_bans(now: datetime) -> list[Ban]:
    """Those in force, the oldest first."""
    return list(Ban.objects.filter(ended_at=None, until__gt=now).order_by("pk"))


def lifted_bans(now: datetime) -> list[Ban]:
    """Those that would be in force now, had they not been lifted; some may be banned again."""
    return list(Ban.objects.filter(ended_at__isnull=False, until__gt=now).order_by("pk"))


def bans_changed_since(moment: datetime) -> list[Ban]:
    """Created, extended or lifted since `moment`, the oldest change first.

    A change shows when it commits, a little after its `changed_at`: ask with an overlap.
    """
    return list(Ban.objects.filter(changed_at__gte=moment).order_by("changed_at", "pk"))


def lift(ban: Ban, by: "User | None", now: datetime | None = None) -> Ban:
    """End it before its time. Raises BanOver, also for a repeat."""
    now = now or timezone.now()
    with transaction.atomic():
        in_force = Ban.objects.filter(pk=ban.pk, ended_at=None, until__gt=now)
        if not in_force.update(ended_at=now, changed_at=now, lifted_by=by):
            raise BanOver
        lifted = Ban.objects.get(pk=ban.pk)
        audit.record(lifted, ChangeVerb.ENDED, by, now)
    return lifted


def close_run_out(now: datetime) -> int:
    """Mark those whose time is up; they are out of force by `until` alone. How many."""
    return _close(until__lte=now)


def _close(**which: object) -> int:
    """Conditional: a ban that was extended in the meantime is looked at again by PostgreSQL."""
    return Ban.objects.filter(ended_at=None, **which).update(ended_at=F("until"))


def _upsert(wish: Ban) -> ChangeVerb | None:
    """Write it, or extend the one in force; None when that one lasts as long. One statement.

    Looking first and writing then, two at once would both write, or the later one shorten. `xmax`
    is 0 in a row that this statement inserted. A row that stays as it is is locked all the same.
    """
    fields: list[Any] = [
        wish.kind,
        wish.value,
        wish.until,
        wish.reason,
        wish.source,
        None if wish.by is None else wish.by.pk,
        wish.created_at,
        wish.changed_at,
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO risk_ban
                   (kind, value, until, reason, source, by_id, created_at, changed_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (kind, value) WHERE ended_at IS NULL DO UPDATE
               SET until = excluded.until,
                   reason = excluded.reason,
                   source = excluded.source,
                   by_id = excluded.by_id,
                   changed_at = excluded.changed_at
             WHERE risk_ban.until < excluded.until
            RETURNING xmax = 0
            """,
            fields,
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return ChangeVerb.CREATED if row[0] else ChangeVerb.CHANGED
