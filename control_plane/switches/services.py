"""Throwing switches and taking them back. Each publishes; nobody else writes the tables."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.snapshot import services as snapshots
from control_plane.switches.effective import effective, in_force
from control_plane.switches.models import Scope, SwitchPublished, SwitchThrow

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise

__all__ = [
    "NotInForce",
    "carry_on",
    "effective",
    "end_batch",
    "in_force",
    "publish",
    "revert",
    "revert_all",
    "revert_due",
    "throw",
    "write_down",
]


class NotInForce(Exception):
    """It was reverted already, by a person or by the clock."""

    code = "not_in_force"
    message: "_StrPromise" = _("This is not in force any more.")


def throw(
    name: str,
    value: Any,
    *,
    reason: str,
    by: "User | None",
    now: datetime,
    campaign: Campaign | None = None,
    item: Item | None = None,
    until: datetime | None = None,
) -> SwitchThrow:
    """Set a switch everywhere, or for one campaign or item, until `until` or until it is reverted.

    A campaign's or item's is reverted at the latest when the campaign ends. `by` is None for the
    command line. Raises Django's ValidationError.
    """
    with transaction.atomic():
        thrown = write_down(
            name,
            value,
            reason=reason,
            by=by,
            now=now,
            campaign=campaign,
            item=item,
            until=until,
        )
        publish([thrown], f"switch {name}: {thrown.reason}", now)
    return thrown


def write_down(
    name: str,
    value: Any,
    *,
    reason: str,
    by: "User | None",
    now: datetime,
    campaign: Campaign | None = None,
    item: Item | None = None,
    **more: Any,
) -> SwitchThrow:
    """The row of a throw, in the transaction of whoever publishes it. Raises ValidationError."""
    if campaign is not None and item is not None:
        raise ValidationError({"item": _("Either a campaign or an item.")})
    thrown = SwitchThrow(
        name=name,
        scope=Scope.ITEM if item else Scope.CAMPAIGN if campaign else Scope.ALL,
        campaign=campaign,
        item=item,
        value=value,
        reason=reason.strip(),
        by=by,
        created_at=now,
        **more,
    )
    thrown.full_clean()
    _require_running(campaign, item)
    thrown.save()
    return thrown


def publish(thrown: Sequence[SwitchThrow], reason: str, now: datetime) -> None:
    """Last in the transaction of the throws; notes the version that has them first."""
    made = snapshots.publish(reason, now)
    # None: they say what held anyway, so that the newest version has them already.
    version = made.version if made is not None else snapshots.newest_version()
    SwitchPublished.objects.bulk_create(
        SwitchPublished(throw=throw, version=version) for throw in thrown
    )


def end_batch(batch: uuid.UUID, *, reason: str, by: "User | None", now: datetime) -> int:
    """Take back together what was thrown together; how many.

    Raises NotInForce for none, ValidationError for a bad reason.
    """
    reason = _checked(reason)
    with transaction.atomic():
        together = in_force(now).filter(batch=batch).order_by("pk")
        ended = _end(together.values_list("pk", flat=True), reason, by, now)
        if not ended:
            raise NotInForce
        snapshots.publish(f"{ended} switches reverted together: {reason}", now)
    return ended


def revert(throw_id: int, *, reason: str, by: "User | None", now: datetime) -> SwitchThrow:
    """Take a throw back: what was in force before it is in force again.

    Raises NotInForce, ValidationError for a bad reason.
    """
    reason = _checked(reason)
    with transaction.atomic():
        thrown = in_force(now).filter(pk=throw_id).first()
        if thrown is None or not _end([throw_id], reason, by, now):
            raise NotInForce
        snapshots.publish(f"switch {thrown.name} reverted: {reason}", now)
    return thrown


def revert_all(throw_ids: Iterable[int], *, reason: str, by: "User | None", now: datetime) -> int:
    """Take back all of these; how many were in force. The caller publishes."""
    return _end(sorted(throw_ids), _checked(reason), by, now)


def carry_on(
    campaign: Campaign, before: datetime, after: datetime, by: "User | None", now: datetime
) -> int:
    """The campaign's end moves: what was thrown until it holds until the new one.

    Each becomes a throw of its own, since rows are never changed. In the transaction that moves the
    end; the caller publishes. Returns how many.
    """
    ours = Q(campaign=campaign.pk) | Q(item__campaign=campaign.pk)
    until_the_end = list(in_force(now).filter(ours, until=before).order_by("pk"))
    SwitchThrow.objects.bulk_create(
        SwitchThrow(
            name=thrown.name,
            scope=thrown.scope,
            campaign_id=thrown.campaign_id,
            item_id=thrown.item_id,
            value=thrown.value,
            reason=thrown.reason,
            by=by,
            created_at=now,
            until=after,
        )
        for thrown in until_the_end
    )
    return len(until_the_end)


def revert_due(now: datetime) -> int:
    """Take back what is over: its time, or its campaign. Idempotent; returns how many."""
    is_over = (
        Q(until__lte=now)
        | Q(campaign__state=CampaignState.ENDED)
        | Q(item__campaign__state=CampaignState.ENDED)
    )
    with transaction.atomic():
        due = SwitchThrow.objects.filter(is_over, reverted=None).values_list("pk", flat=True)
        # In one order, so that two runs wait for each other instead of deadlocking.
        ended = _end(sorted(due), "", None, now, by_clock=True)
        if ended:
            snapshots.publish(f"{ended} switches reverted on time", now)
    return ended


def _checked(reason: str) -> str:
    """As the reason of a throw is."""
    try:
        checked: str = SwitchThrow._meta.get_field("reason").clean(reason.strip(), None)
    except ValidationError as error:
        raise ValidationError({"reason": error}) from error
    return checked


def _end(
    throw_ids: Iterable[int],
    reason: str,
    by: "User | None",
    now: datetime,
    *,
    by_clock: bool = False,
) -> int:
    """How many were not ended before: of two who revert at once, one writes the row."""
    ids = list(throw_ids)
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO switches_switchrevert (throw_id, by_id, by_clock, at, reason)
            SELECT unnest(%s::bigint[]), %s, %s, %s, %s
            ON CONFLICT (throw_id) DO NOTHING
            """,
            [ids, None if by is None else by.pk, by_clock, now, reason],
        )
        return int(cursor.rowcount)


def _require_running(campaign: Campaign | None, item: Item | None) -> None:
    """A draft is in nobody's snapshot, and what has ended is reverted by the clock at once."""
    if item is not None:
        campaign_id = item.campaign_id
    elif campaign is not None:
        campaign_id = campaign.pk
    else:
        return
    running = Campaign.objects.filter(state__in=[CampaignState.APPROVED, CampaignState.LIVE])
    # Asked, since what the caller holds may be old.
    if not running.filter(pk=campaign_id).exists():
        field = "campaign" if item is None else "item"
        raise ValidationError({field: _("Its campaign is not approved, or it has ended.")})
