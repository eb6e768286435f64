"""What people may do to a campaign that is approved or live, each with a reason that is kept."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet

from control_plane.campaigns.approval import PATH_KEY_BYTES, lock_sales_of
from control_plane.campaigns.clashes import RUNNING, clashes
from control_plane.campaigns.errors import (
    AlreadyPaused,
    Clashes,
    EndHasPassed,
    EndWasMoved,
    NotLater,
    NotPaused,
    NotRunning,
    TooLong,
)
from control_plane.campaigns.models import LASTS_MAX, Campaign, CampaignState, Item, StepKind
from control_plane.campaigns.steps import note
from control_plane.config import history
from control_plane.inventory import services as inventory
from control_plane.snapshot import services as snapshots
from control_plane.switches import services as switches
from control_plane.switches.models import Scope, SwitchThrow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SWITCH = "sale_enabled"


def end_now(campaign: Campaign, by: "User | None", now: datetime, reason: str = "") -> Campaign:
    """End a campaign before its time; raises NotRunning (also for a repeat).

    It settles as if its time were up: what its shards have left returns to the pools.
    """
    with transaction.atomic():
        # Pools come first, as with the clock, which may be ending it at this moment.
        inventory.lock_pools(_items_of(campaign))
        running = running_campaigns().filter(pk=campaign.pk)
        if not running.update(state=CampaignState.ENDED, ended_at=now, ended_by=by):
            raise NotRunning(campaign.pk)
        inventory.end_sale(_items_of(campaign))
        note(campaign, StepKind.ENDED_EARLY, by, now, reason)
        history.note(campaign, reason, by)
        snapshots.publish(f"campaign {campaign.slug} ended early", now)
    return Campaign.objects.get(pk=campaign.pk)


def extend(
    campaign: Campaign, ends_at: datetime, reason: str, by: "User | None", now: datetime
) -> Campaign:
    """Move the end to later; gateways sell past the old one once they have the next snapshot.

    `campaign` as its user saw it. Raises NotLater, EndHasPassed (shoppers may have been told that
    it is over), EndWasMoved, TooLong, Clashes.
    """
    seen = campaign.ends_at
    with transaction.atomic():
        if not _move_end(campaign.pk, seen, ends_at, now):
            raise _why_not_moved(campaign, ends_at, now)
        if ends_at - campaign.starts_at > LASTS_MAX:
            raise TooLong(campaign.pk)
        lock_sales_of(campaign.merchant_id)
        skus = campaign.items.values_list("sku", flat=True)
        found = clashes(
            campaign.merchant_id, skus, campaign.starts_at, ends_at, besides=campaign.pk
        )
        if found:
            raise Clashes(campaign.pk, found[0])
        # What was switched "until the end of the campaign" holds until its end.
        switches.carry_on(campaign, seen, ends_at, by, now)
        note(
            campaign,
            StepKind.EXTENDED,
            by,
            now,
            reason,
            before=seen.isoformat(),
            after=ends_at.isoformat(),
        )
        history.note(campaign, reason, by)
        snapshots.publish(f"campaign {campaign.slug} ends later", now)
    return Campaign.objects.get(pk=campaign.pk)


def pause(
    campaign: Campaign, item: Item | None, reason: str, by: "User | None", now: datetime
) -> SwitchThrow:
    """Nobody can buy until `resume`; units and orders stay. Of the campaign, or of one item.

    The switch `sale_enabled` of that scope. Raises NotRunning, AlreadyPaused; ValidationError for a
    bad reason.
    """
    with transaction.atomic():
        _lock_running(campaign.pk)
        if paused_by(campaign, item, now) is not None:
            raise AlreadyPaused(campaign.pk)
        of = {"item": item} if item else {"campaign": campaign}
        _note_moved(campaign, item, reason, by)
        return switches.throw(SWITCH, False, reason=reason, by=by, now=now, **of)


def resume(
    campaign: Campaign, item: Item | None, reason: str, by: "User | None", now: datetime
) -> None:
    """Sell again: what stopped just this scope is reverted, whoever threw it.

    A switch of a wider scope, or of an item when the campaign is resumed, stays as it is.
    Raises NotRunning, NotPaused.
    """
    with transaction.atomic():
        _lock_running(campaign.pk)
        stopped = list(_throws(campaign, item, now))
        if not stopped or stopped[0].value is not False:
            raise NotPaused(campaign.pk)
        switches.revert_all([throw.pk for throw in stopped], reason=reason, by=by, now=now)
        note(
            campaign,
            StepKind.RESUMED,
            by,
            now,
            reason,
            item=None if item is None else item.pk,
            sku=None if item is None else item.sku,
        )
        _note_moved(campaign, item, reason, by)
        snapshots.publish(f"campaign {campaign.slug} resumed", now)


def paused_by(campaign: Campaign, item: Item | None, now: datetime) -> SwitchThrow | None:
    """The throw of just this scope that stops selling, if one does. Reads only."""
    newest = _throws(campaign, item, now).first()
    return newest if newest is not None and newest.value is False else None


def rotate_path_keys(
    campaign: Campaign, by: "User | None", now: datetime, reason: str = ""
) -> Campaign:
    """New buy addresses for a campaign's items; the ones before are good for PATH_KEY_GRACE.

    For addresses that were passed around. Rotating twice within the grace ends those of before the
    first at once. Raises NotRunning.
    """
    with transaction.atomic():
        _lock_running(campaign.pk)
        for item in campaign.items.order_by("pk"):
            item.path_key_before, item.path_key_rotated_at = item.path_key, now
            item.path_key = secrets.token_urlsafe(PATH_KEY_BYTES)
            item.save(update_fields=["path_key", "path_key_before", "path_key_rotated_at"])
        note(campaign, StepKind.NEW_ADDRESSES, by, now, reason)
        history.note(campaign, reason, by, unchanged=True)
        snapshots.publish(f"campaign {campaign.slug} has new buy addresses", now)
    return Campaign.objects.get(pk=campaign.pk)


def running_campaigns() -> QuerySet[Campaign]:
    """Approved and live ones."""
    return Campaign.objects.filter(state__in=RUNNING)


def _move_end(campaign_id: int, seen: datetime, ends_at: datetime, now: datetime) -> bool:
    """One conditional UPDATE: the clock may be ending it, and somebody else moving it."""
    as_seen = running_campaigns().filter(pk=campaign_id, ends_at=seen, ends_at__gt=now)
    return bool(as_seen.filter(ends_at__lt=ends_at).update(ends_at=ends_at))


def _why_not_moved(campaign: Campaign, ends_at: datetime, now: datetime) -> Exception:
    found = running_campaigns().filter(pk=campaign.pk).first()
    if found is None or found.ends_at <= now:
        return EndHasPassed(campaign.pk)
    if found.ends_at != campaign.ends_at:
        return EndWasMoved(campaign.pk)
    return NotLater(campaign.pk, found.ends_at, found.time_zone)


def _lock_running(campaign_id: int) -> None:
    if not running_campaigns().filter(pk=campaign_id).select_for_update(no_key=True).exists():
        raise NotRunning(campaign_id)


def _note_moved(campaign: Campaign, item: Item | None, reason: str, by: "User | None") -> None:
    """No field of it differs: what was done is a switch. An item is named in the reason."""
    said = reason if item is None else f"{item.sku}: {reason}"
    history.note(campaign, said, by, unchanged=True)


def _throws(campaign: Campaign, item: Item | None, now: datetime) -> QuerySet[SwitchThrow]:
    """In force, of just this scope, newest first."""
    of_switch = switches.in_force(now).filter(name=SWITCH)
    if item is not None:
        return of_switch.filter(scope=Scope.ITEM, item=item).order_by("-pk")
    return of_switch.filter(scope=Scope.CAMPAIGN, campaign=campaign).order_by("-pk")


def _items_of(campaign: Campaign) -> QuerySet[Item, int]:
    return Item.objects.filter(campaign=campaign.pk).values_list("pk", flat=True)
