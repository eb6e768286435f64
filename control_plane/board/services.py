"""What changes the board's tables: alerts that are told, links that are made and withdrawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import ADDITION
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.board.models import Alert, WallLink
from control_plane.config.history import log_deed

# A wall that hangs for longer has somebody who makes it a new one.
WALL_LASTS_MAX = timedelta(days=7)
# What is shown of an alert; an annotation is written by us and never longer.
TEXT_MAX = 2000


class NotMade(Exception):
    """A link cannot be made like this; the message says why."""


@dataclass(frozen=True)
class Told:
    """One alert of a notification, checked."""

    fingerprint: str
    name: str
    severity: str
    labels: dict[str, str]
    summary: str
    action: str
    starts_at: datetime
    ends_at: datetime | None


def record_alerts(told: Iterable[Told], now: datetime) -> int:
    """Write down what fires and what is over; how many were news.

    Idempotent: Alertmanager repeats itself, and may tell the end before or without the beginning.
    An end is never undone, since a repeat of the beginning can arrive late. An alert fires once at
    a time: its end, or a later beginning, ends whatever of it is still open here.
    """
    news = 0
    for one in told:
        row, is_new = Alert.objects.get_or_create(
            fingerprint=one.fingerprint,
            starts_at=one.starts_at,
            defaults={
                "name": one.name,
                "severity": one.severity,
                "labels": one.labels,
                "summary": one.summary,
                "action": one.action,
                "ends_at": one.ends_at,
                "told_at": now,
            },
        )
        if not is_new:
            Alert.objects.filter(pk=row.pk).update(told_at=now, summary=one.summary)
        still_open = Alert.objects.filter(fingerprint=one.fingerprint, ends_at=None)
        if one.ends_at is None:
            still_open = still_open.filter(starts_at__lt=one.starts_at)
        news += is_new + still_open.update(ends_at=one.ends_at or one.starts_at)
    return news


def make_wall_link(place: str, lasts: timedelta, by: Any, now: datetime) -> WallLink:
    """A link that works for `lasts`. Raises NotMade."""
    if not place.strip():
        raise NotMade(_("A link needs the place where it hangs."))
    if not timedelta(0) < lasts <= WALL_LASTS_MAX:
        most = {"days": WALL_LASTS_MAX.days}
        raise NotMade(_("A link lasts an hour to %(days)s days.") % most)
    with transaction.atomic():
        link = WallLink.objects.create(
            place=place.strip()[:100], by=by, created_at=now, expires_at=now + lasts
        )
        log_deed(by, link, gettext_lazy("Wall link made"), ADDITION)
    return link


def withdraw_wall_link(link: WallLink, by: Any, now: datetime) -> bool:
    """End a link; a wall that shows the board goes dark within some seconds. False for a repeat."""
    open_one = WallLink.objects.filter(pk=link.pk, withdrawn_at=None)
    with transaction.atomic():
        ended = bool(open_one.update(withdrawn_at=now))
        if ended:
            log_deed(by, link, gettext_lazy("Wall link withdrawn"))
    return ended
