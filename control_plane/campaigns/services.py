"""A campaign's way: draft → approved → live → ended. Nobody else changes a campaign's state."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from control_plane.campaigns.approval import (
    approve,
    lock_draft,
    note_edit,
    return_draft,
    submit,
)
from control_plane.campaigns.editing import edit_draft
from control_plane.campaigns.errors import (
    AlreadyPaused,
    AlreadySubmitted,
    CampaignError,
    ChangedSince,
    Clashes,
    EditedSince,
    EndHasPassed,
    EndWasMoved,
    NoComment,
    NoItems,
    NotDraft,
    NotLater,
    NotPaused,
    NotRunning,
    NotSubmitted,
    SamePerson,
    StartInThePast,
    TooLong,
)
from control_plane.campaigns.models import Campaign, CampaignState, Item, StepKind
from control_plane.campaigns.queues import create_buckets
from control_plane.campaigns.running import (
    end_now,
    extend,
    pause,
    paused_by,
    resume,
    rotate_path_keys,
    running_campaigns,
)
from control_plane.campaigns.settling import settle_due
from control_plane.campaigns.steps import note
from control_plane.campaigns.warming import cold_campaigns, warm_due
from control_plane.config import history
from control_plane.inventory import services as inventory
from control_plane.merchants.models import Merchant
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = [
    "AlreadyPaused",
    "AlreadySubmitted",
    "CampaignError",
    "ChangedSince",
    "Clashes",
    "EditedSince",
    "EndHasPassed",
    "EndWasMoved",
    "NoComment",
    "NoItems",
    "NotDraft",
    "NotLater",
    "NotPaused",
    "NotRunning",
    "NotSubmitted",
    "SamePerson",
    "StartInThePast",
    "TooLong",
    "approve",
    "cold_campaigns",
    "create_draft",
    "edit_draft",
    "end_due",
    "end_now",
    "extend",
    "lock_draft",
    "note_edit",
    "open_due",
    "pause",
    "paused_by",
    "resume",
    "return_draft",
    "rotate_path_keys",
    "settle_due",
    "submit",
    "warm_due",
]

log = logging.getLogger(__name__)


def create_draft(
    merchant: Merchant,
    *,
    slug: str,
    title: str,
    starts_at: datetime,
    ends_at: datetime,
    items: Sequence[Mapping[str, Any]],
    buckets: Sequence[Mapping[str, Any]] = (),
    human_check: bool = True,
    by: "User | None" = None,
    **options: Any,
) -> Campaign:
    """A draft with its items and the buckets of its queue. Raises Django's ValidationError.

    `items` and `buckets` are fields of Item and QueueBucket, `options` those of Campaign that have
    a default: `queue_k`, `queue_grace_s`, `lobby_minutes`, `pay_minutes`, `buys_again`,
    `time_zone`. `by` is None for the command line.
    """
    with transaction.atomic():
        campaign = Campaign(
            merchant=merchant,
            slug=slug,
            title=title,
            starts_at=starts_at,
            ends_at=ends_at,
            human_check=human_check,
            **options,
        )
        campaign.full_clean()
        campaign.save()
        create_buckets(campaign, buckets)
        for fields in items:
            item = Item(campaign=campaign, **fields)
            item.full_clean()
            item.save()
        note(campaign, StepKind.CREATED, by, timezone.now())
    return campaign


def open_due(now: datetime) -> int:
    """approved → live for all whose start has come. Idempotent; returns how many."""
    due = Campaign.objects.filter(state=CampaignState.APPROVED, starts_at__lte=now, ends_at__gt=now)
    with transaction.atomic():
        opened = [campaign for campaign in due.order_by("pk") if _open(campaign, due)]
        for campaign in opened:
            note(campaign, StepKind.OPENED, None, now)
            history.note(campaign)
        if opened:
            snapshots.publish(f"{len(opened)} campaigns opened on time", now)
    return len(opened)


def _open(campaign: Campaign, due: QuerySet[Campaign]) -> bool:
    """One of them, if it is still due."""
    return bool(due.filter(pk=campaign.pk).update(state=CampaignState.LIVE))


def end_due(now: datetime) -> int:
    """approved or live → ended for all whose end has come. Idempotent; returns how many."""
    ended = 0
    with transaction.atomic():
        due = list(running_campaigns().filter(ends_at__lte=now).values_list("pk", flat=True))
        if due:
            # All pools in one order, though the campaigns end one by one.
            inventory.lock_pools(_items_of(due))
        for campaign_id in due:
            try:
                with transaction.atomic():
                    ended += _end(campaign_id, now)
            except (DatabaseError, inventory.InventoryError):
                # It is tried again at the next tick, and the others end meanwhile.
                log.exception("not ended", extra={"kind": "not_ended", "campaign": campaign_id})
        if ended:
            snapshots.publish(f"{ended} campaigns ended on time", now)
    return ended


def _end(campaign_id: int, now: datetime) -> int:
    """One of them, if it still runs."""
    running = running_campaigns().filter(pk=campaign_id, ends_at__lte=now)
    if not running.update(state=CampaignState.ENDED, ended_at=now):
        return 0
    inventory.end_sale(_items_of([campaign_id]))
    campaign = Campaign.objects.get(pk=campaign_id)
    note(campaign, StepKind.ENDED, None, now)
    history.note(campaign)
    return 1


def _items_of(campaign_ids: Sequence[int]) -> QuerySet[Item, int]:
    return Item.objects.filter(campaign__in=campaign_ids).values_list("pk", flat=True)
