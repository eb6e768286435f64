"""Submitted by one person, approved or returned by another, who sees what he approves."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from control_plane.campaigns.clashes import clashes
from control_plane.campaigns.content import digest_of
from control_plane.campaigns.errors import (
    AlreadySubmitted,
    ChangedSince,
    Clashes,
    NoComment,
    NoItems,
    NotDraft,
    NotSubmitted,
    SamePerson,
    StartInThePast,
    TooLong,
)
from control_plane.campaigns.models import LASTS_MAX, Campaign, CampaignState, Item, StepKind
from control_plane.campaigns.queues import fix_buckets
from control_plane.campaigns.steps import COMMENT_LENGTH_MAX, is_maker, note
from control_plane.config import history
from control_plane.inventory import services as inventory
from control_plane.merchants.models import Merchant
from control_plane.queues import services as queues
from control_plane.snapshot import services as snapshots

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# 16 random bytes are 22 characters of base64url; the buy URL cannot be guessed before the start.
PATH_KEY_BYTES = 16
NOT_SUBMITTED = {"submitted_at": None, "submitted_by": None, "submitted_digest": ""}


def lock_draft(campaign_id: int) -> Campaign:
    """The draft, locked until the transaction ends, so that nobody approves it while it is edited.

    Raises NotDraft.
    """
    draft = Campaign.objects.select_for_update().filter(pk=campaign_id, state=CampaignState.DRAFT)
    campaign = draft.first()
    if campaign is None:
        raise NotDraft(campaign_id)
    return campaign


def submit(campaign: Campaign, by: "User", now: datetime, comment: str = "") -> Campaign:
    """Ask for the approval of the draft as it is now.

    Raises NotDraft, AlreadySubmitted, and what would keep it from being approved: StartInThePast,
    TooLong, NoItems, Clashes.
    """
    with transaction.atomic():
        campaign = lock_draft(campaign.pk)
        if campaign.submitted_at is not None:
            raise AlreadySubmitted(campaign.pk)
        _refuse_what_cannot_run(campaign, now)
        campaign.submitted_at, campaign.submitted_by = now, by
        campaign.submitted_digest = digest_of(campaign)
        campaign.save(update_fields=list(NOT_SUBMITTED))
        note(campaign, StepKind.SUBMITTED, by, now, comment, digest=campaign.submitted_digest)
    return campaign


def return_draft(campaign: Campaign, by: "User", now: datetime, comment: str) -> Campaign:
    """What was submitted goes back to its makers with a comment. Raises NotSubmitted, NoComment."""
    comment = comment.strip()[:COMMENT_LENGTH_MAX]
    if not comment:
        raise NoComment(campaign.pk)
    waiting = Campaign.objects.filter(
        pk=campaign.pk, state=CampaignState.DRAFT, submitted_at__isnull=False
    )
    with transaction.atomic():
        if not waiting.update(**NOT_SUBMITTED):
            raise NotSubmitted(campaign.pk)
        note(campaign, StepKind.RETURNED, by, now, comment)
    return Campaign.objects.get(pk=campaign.pk)


def note_edit(
    campaign: Campaign,
    by: "User | None",
    now: datetime,
    kind: StepKind = StepKind.EDITED,
    **details: Any,
) -> bool:
    """Write down that a draft was changed; it has to be submitted again. True when it had been.

    In the transaction of the change, which holds `lock_draft`.
    """
    note(campaign, kind, by, now, **details)
    waiting = Campaign.objects.filter(pk=campaign.pk, submitted_at__isnull=False)
    return bool(waiting.update(**NOT_SUBMITTED))


def approve(
    campaign: Campaign,
    by: "User | None",
    now: datetime,
    *,
    seen: str | None = None,
    comment: str = "",
) -> Campaign:
    """draft → approved: make the path keys, fill the pools and publish, all or nothing.

    `by` is None when the command line approves, which answers to nobody. A person approves what
    another one submitted (SLUICE_APPROVAL_BY_SECOND_PERSON), and `seen` is the digest of what he
    saw. Raises NotDraft (also for a repeat), NotSubmitted, SamePerson, ChangedSince,
    StartInThePast, TooLong, NoItems, Clashes.
    """
    with transaction.atomic():
        if not _leave_draft(campaign.pk, by, now):
            raise NotDraft(campaign.pk)
        # Read after the UPDATE, whose row lock keeps `lock_draft` out until the commit.
        campaign = Campaign.objects.get(pk=campaign.pk)
        digest = digest_of(campaign)
        if by is not None and settings.ENV.approval_by_second_person:
            _require_second_person(campaign, by, digest)
        if seen is not None and seen != digest:
            raise ChangedSince(campaign.pk)
        _refuse_what_cannot_run(campaign, now)
        for item in campaign.items.order_by("pk"):
            _put_on_sale(item)
        fix_buckets(campaign, now)
        note(campaign, StepKind.APPROVED, by, now, comment, digest=digest)
        history.note(campaign, comment, by)
        snapshots.publish(f"campaign {campaign.slug} approved", now)
    return campaign


def lock_sales_of(merchant_id: int) -> None:
    """Whoever looks for clashes and then approves or extends is alone with the merchant's sales.

    After the campaign's row, before pools.
    """
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant_id)


def _require_second_person(campaign: Campaign, by: "User", digest: str) -> None:
    if campaign.submitted_at is None:
        raise NotSubmitted(campaign.pk)
    if campaign.submitted_by_id == by.pk or is_maker(campaign.pk, by):
        raise SamePerson(campaign.pk)
    if campaign.submitted_digest != digest:
        raise ChangedSince(campaign.pk)


def _refuse_what_cannot_run(campaign: Campaign, now: datetime) -> None:
    if campaign.starts_at < now:
        raise StartInThePast(campaign.pk)
    if campaign.ends_at - campaign.starts_at > LASTS_MAX:
        raise TooLong(campaign.pk)
    items = list(campaign.items.order_by("pk"))
    if not items:
        raise NoItems(campaign.pk)
    lock_sales_of(campaign.merchant_id)
    found = clashes(
        campaign.merchant_id,
        [item.sku for item in items],
        campaign.starts_at,
        campaign.ends_at,
        besides=campaign.pk,
    )
    if found:
        raise Clashes(campaign.pk, found[0])


def _leave_draft(campaign_id: int, by: "User | None", now: datetime) -> bool:
    """One conditional UPDATE: of two who approve at once, one changes a row."""
    draft = Campaign.objects.filter(pk=campaign_id, state=CampaignState.DRAFT)
    return bool(draft.update(state=CampaignState.APPROVED, approved_at=now, approved_by=by))


def _put_on_sale(item: Item) -> None:
    item.path_key = secrets.token_urlsafe(PATH_KEY_BYTES)
    # A shard without a unit would only send its shoppers round by the pool.
    item.shards = min(item.units, settings.ENV.shards_per_item)
    item.save(update_fields=["path_key", "shards"])
    inventory.open_pool(item)
    queues.prepare(item)
