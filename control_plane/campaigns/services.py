"""A campaign's way: draft → approved → live → ended. Nobody else changes a campaign's state."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.editing import edit_draft
from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.campaigns.queues import create_buckets, fix_buckets
from control_plane.campaigns.settling import settle_due
from control_plane.campaigns.warming import cold_campaigns, warm_due
from control_plane.inventory import services as inventory
from control_plane.merchants.models import Merchant
from control_plane.queues import services as queues
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.utils.functional import _StrPromise

__all__ = [
    "CampaignError",
    "NoItems",
    "NotDraft",
    "NotRunning",
    "StartInThePast",
    "approve",
    "cold_campaigns",
    "create_draft",
    "edit_draft",
    "end_due",
    "end_now",
    "lock_draft",
    "open_due",
    "rotate_path_keys",
    "settle_due",
    "warm_due",
]

# 16 random bytes are 22 characters of base64url; the buy URL cannot be guessed before the start.
PATH_KEY_BYTES = 16

log = logging.getLogger(__name__)


class CampaignError(Exception):
    """The campaign stays as it is. `code` is for programs, `message` for people."""

    code = "campaign_error"
    message: "_StrPromise" = _("The campaign cannot be changed like this.")

    def __init__(self, campaign_id: int) -> None:
        super().__init__(f"{self.code}: campaign {campaign_id}")


class NotDraft(CampaignError):
    """It was approved already, so it can be neither approved nor edited."""

    code = "not_draft"
    message = _("The campaign is not a draft any more: it can be neither approved nor edited.")


class StartInThePast(CampaignError):
    """It would be on sale at once, perhaps for a sale that is over."""

    code = "start_in_the_past"
    message = _("The start has passed. Move it into the future, then approve.")


class NoItems(CampaignError):
    """There is nothing to sell."""

    code = "no_items"
    message = _("The campaign sells nothing yet. Add at least one item, then approve.")


class NotRunning(CampaignError):
    """Only an approved or live campaign can be ended."""

    code = "not_running"
    message = _("Only an approved or live campaign can be ended.")


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
    **options: int,
) -> Campaign:
    """A draft with its items and the buckets of its queue. Raises Django's ValidationError.

    `items` and `buckets` are fields of Item and QueueBucket, `options` those of Campaign that have
    a default: `queue_k`, `queue_grace_s`, `lobby_minutes`, `pay_minutes`, `buys_again`.
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
    return campaign


def lock_draft(campaign_id: int) -> Campaign:
    """The draft, locked until the transaction ends, so that nobody approves it while it is edited.

    Raises NotDraft.
    """
    draft = Campaign.objects.select_for_update().filter(pk=campaign_id, state=CampaignState.DRAFT)
    campaign = draft.first()
    if campaign is None:
        raise NotDraft(campaign_id)
    return campaign


def approve(campaign: Campaign, by: "User | None", now: datetime) -> Campaign:
    """draft → approved: make the path keys, fill the pools and publish, all or nothing.

    `by` is None when the command line approves. Raises NotDraft (also for a repeat),
    StartInThePast, NoItems.
    """
    with transaction.atomic():
        if not _leave_draft(campaign.pk, by, now):
            raise NotDraft(campaign.pk)
        # Read after the UPDATE, whose row lock keeps `lock_draft` out until the commit.
        campaign = Campaign.objects.get(pk=campaign.pk)
        if campaign.starts_at < now:
            raise StartInThePast(campaign.pk)
        items = list(campaign.items.order_by("pk"))
        if not items:
            raise NoItems(campaign.pk)
        for item in items:
            _put_on_sale(item)
        fix_buckets(campaign, now)
        snapshots.publish(f"campaign {campaign.slug} approved", now)
    return campaign


def open_due(now: datetime) -> int:
    """approved → live for all whose start has come. Idempotent; returns how many."""
    due = Campaign.objects.filter(state=CampaignState.APPROVED, starts_at__lte=now, ends_at__gt=now)
    with transaction.atomic():
        opened = due.update(state=CampaignState.LIVE)
        if opened:
            snapshots.publish(f"{opened} campaigns opened on time", now)
    return opened


def end_due(now: datetime) -> int:
    """approved or live → ended for all whose end has come. Idempotent; returns how many."""
    ended = 0
    with transaction.atomic():
        due = list(_running().filter(ends_at__lte=now).values_list("pk", flat=True))
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
    running = _running().filter(pk=campaign_id, ends_at__lte=now)
    if not running.update(state=CampaignState.ENDED, ended_at=now):
        return 0
    inventory.end_sale(_items_of([campaign_id]))
    return 1


def _items_of(campaign_ids: Sequence[int]) -> QuerySet[Item, int]:
    return Item.objects.filter(campaign__in=campaign_ids).values_list("pk", flat=True)


def end_now(campaign: Campaign, by: "User | None", now: datetime) -> Campaign:
    """End a campaign before its time; raises NotRunning (also for a repeat)."""
    with transaction.atomic():
        running = _running().filter(pk=campaign.pk)
        if not running.update(state=CampaignState.ENDED, ended_at=now, ended_by=by):
            raise NotRunning(campaign.pk)
        inventory.end_sale(_items_of([campaign.pk]))
        snapshots.publish(f"campaign {campaign.slug} ended early", now)
    return Campaign.objects.get(pk=campaign.pk)


def rotate_path_keys(campaign: Campaign, by: "User | None", now: datetime) -> Campaign:
    """New buy addresses for a campaign's items; the ones before are good for PATH_KEY_GRACE.

    For addresses that were passed around. Rotating twice within the grace ends those of before the
    first at once. Raises NotRunning.
    """
    with transaction.atomic():
        if not _running().filter(pk=campaign.pk).select_for_update().exists():
            raise NotRunning(campaign.pk)
        for item in campaign.items.order_by("pk"):
            item.path_key_before, item.path_key_rotated_at = item.path_key, now
            item.path_key = secrets.token_urlsafe(PATH_KEY_BYTES)
            item.save(update_fields=["path_key", "path_key_before", "path_key_rotated_at"])
        snapshots.publish(f"campaign {campaign.slug} has new buy addresses", now)
    return Campaign.objects.get(pk=campaign.pk)


def _running() -> QuerySet[Campaign]:
    return Campaign.objects.filter(state__in=[CampaignState.APPROVED, CampaignState.LIVE])


def _leave_draft(campaign_id: int, by: "User | None", now: datetime) -> bool:
    """One conditional UPDATE: of two who approve at once, one changes a row."""
    draft = Campaign.objects.filter(pk=campaign_id, state=CampaignState.DRAFT)
    return bool(draft.update(state=CampaignState.APPROVED, approved_at=now, approved_by=by))


def _put_on_sale(item: Item) -> None:
    item.path_key = secrets.token_urlsafe(PATH_KEY_BYTES)
    item.shards = settings.ENV.shards_per_item
    item.save(update_fields=["path_key", "shards"])
    inventory.open_pool(item)
    queues.prepare(item)
