"""Before the start: is everything that is to sell armed?

The stock agent arms shards and fills them SLUICE_ARM_LEAD_S before the start, by itself; it alone
has the keys to the stock Redis. Here the clock looks whether it did, while there is time to mend.
"""

import logging
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import Q, QuerySet

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.config import history
from control_plane.inventory.models import Allocation, AllocationState, Source

# Longer after the start nobody asks for it any more: it sells, or people know that it does not.
LOOKED_AFTER = timedelta(hours=1)

log = logging.getLogger(__name__)


def warm_due(now: datetime, lead: timedelta) -> int:
    """Note which campaigns are armed that start within `lead`; returns how many are new.

    One that is not by half of that time is an alarm, each time it is looked at. Idempotent.
    """
    warm = 0
    for campaign in _near(now, lead).order_by("starts_at", "pk"):
        try:
            cold = cold_shards(campaign)
        except DatabaseError:
            # One campaign's trouble is not the others'.
            log.exception("not looked at", extra={"kind": "not_warm", "campaign": campaign.slug})
            continue
        if not cold:
            warm += _note_warm(campaign, now)
        elif campaign.starts_at <= now + lead / 2:
            log.error(
                "campaign starts in %d s and is not armed: %s",
                (campaign.starts_at - now).total_seconds(),
                cold,
                extra={"kind": "not_warm", "campaign": campaign.slug},
            )
    return warm


def _note_warm(campaign: Campaign, now: datetime) -> bool:
    with transaction.atomic():
        is_new = Campaign.objects.filter(pk=campaign.pk, warmed_at=None).update(warmed_at=now)
        if is_new:
            history.note(campaign)
    return bool(is_new)


def cold_campaigns(now: datetime, lead: timedelta) -> int:
    """How many are an alarm now, as far as the clock has looked. Reads only."""
    return _near(now, lead / 2).count()


def _near(now: datetime, lead: timedelta) -> QuerySet[Campaign]:
    return Campaign.objects.filter(
        state__in=[CampaignState.APPROVED, CampaignState.LIVE],
        warmed_at=None,
        starts_at__lte=now + lead,
        starts_at__gt=now - LOOKED_AFTER,
    )


def cold_shards(campaign: Campaign) -> list[str]:
    """`<item>-<shard>` of those without an armed epoch. Reads only."""
    armed = Allocation.objects.filter(
        Q(source=Source.DATABASE) | ~Q(script_sha=""),
        item__campaign=campaign,
        state=AllocationState.SELLING,
    )
    known = set(armed.values_list("item_id", "shard"))
    wanted = [
        (item.pk, shard)
        for item in Item.objects.filter(campaign=campaign).order_by("pk")
        for shard in range(item.shards)
    ]
    return [f"{item}-{shard}" for item, shard in wanted if (item, shard) not in known]
