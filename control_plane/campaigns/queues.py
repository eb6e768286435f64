"""The buckets of a campaign's queue, as they are set up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import (
    BUCKETS_MAX,
    REGULAR,
    REGULAR_WEIGHT,
    SLOW,
    Campaign,
    CampaignState,
    QueueBucket,
    QueueMode,
)
from control_plane.risk.models import RuleAction
from control_plane.risk.sections import rules_in_force


def create_buckets(campaign: Campaign, buckets: Sequence[Mapping[str, Any]]) -> None:
    """Buckets in their order; fields of QueueBucket. Raises Django's ValidationError."""
    if len(buckets) > BUCKETS_MAX:
        raise ValidationError({"buckets": _("At most %s buckets.") % BUCKETS_MAX})
    for place, fields in enumerate(buckets):
        bucket = QueueBucket(campaign=campaign, place=place, **fields)
        bucket.full_clean()
        bucket.save()


def fix_buckets(campaign: Campaign, now: datetime) -> None:
    """Give the draft the bucket SLOW, last but one, when risk rules send shoppers there.

    Only at the approval: tickets carry a bucket's place, so none may come later. A rule that comes
    later sends shoppers of this campaign into its last bucket.
    """
    buckets = list(campaign.buckets.order_by("place", "pk"))
    has_room = len(buckets) < BUCKETS_MAX and all(one.name != SLOW for one in buckets)
    if not has_room or not rules_in_force(now).filter(action=RuleAction.SLOW).exists():
        return
    if not buckets:
        buckets.append(QueueBucket(campaign=campaign, name=REGULAR, weight=REGULAR_WEIGHT))
    # A tenth of the lightest bucket, as far as whole numbers go.
    weight = max(1, min(one.weight for one in buckets) // 10)
    buckets.insert(-1, QueueBucket(campaign=campaign, name=SLOW, weight=weight))
    for place, bucket in enumerate(buckets):
        bucket.place = place
        bucket.save()


def campaigns_without_slow_bucket() -> list[Campaign]:
    """Those that run with a queue and were approved before a risk rule slowed anybody."""
    running = Campaign.objects.filter(state__in=[CampaignState.APPROVED, CampaignState.LIVE])
    queued = running.exclude(buckets__name=SLOW)
    return list(queued.filter(items__queue_mode__in=[QueueMode.FIFO, QueueMode.DRAW]).distinct())
