"""A new draft like another campaign. What was drawn, hidden or counted for that one stays there."""

from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from django.db import transaction

from control_plane.campaigns.content import BUCKET_FIELDS, ITEM_FIELDS, OPTIONS
from control_plane.campaigns.local_time import weeks_later
from control_plane.campaigns.models import Campaign, Item, QueueBucket, StepKind
from control_plane.campaigns.steps import note
from control_plane.pages import services as pages

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SLUG_LENGTH_MAX = 50


def clone(source: Campaign, by: "User | None", now: datetime) -> Campaign:
    """A draft with the same items, buckets, words and pictures, some whole weeks later.

    Fields are named, not taken as they come: path keys, shards, the draw's seed, states, dates of
    the past and who approved are the other one's. Units are those it began with.
    """
    starts_at, ends_at = proposed_times(source, now)
    with transaction.atomic():
        campaign = Campaign.objects.create(
            merchant=source.merchant,
            slug=_free_slug(source.slug),
            title=source.title,
            starts_at=starts_at,
            ends_at=ends_at,
            time_zone=source.time_zone,
            **{name: getattr(source, name) for name in OPTIONS},
        )
        items = {
            item.pk: Item.objects.create(
                campaign=campaign, **{name: getattr(item, name) for name in ITEM_FIELDS}
            )
            for item in source.items.order_by("pk")
        }
        for place, bucket in enumerate(source.buckets.order_by("place", "pk")):
            fields = {name: getattr(bucket, name) for name in BUCKET_FIELDS}
            QueueBucket.objects.create(campaign=campaign, place=place, **fields)
        pages.copy_page(source, campaign, items)
        note(campaign, StepKind.CLONED, by, now, source=source.pk, source_slug=source.slug)
    return campaign


def proposed_times(source: Campaign, now: datetime) -> tuple[datetime, datetime]:
    """The same weekday and time on the wall, the first week that lies ahead; as long as before.

    The end is a moment, not a time on the wall: a sale of an hour stays one on the day on which
    the clocks change.
    """
    for weeks in count(1 + max(0, (now - source.starts_at).days // 7)):
        starts_at = weeks_later(source.starts_at, source.time_zone, weeks)
        if starts_at > now:
            return starts_at, starts_at + (source.ends_at - source.starts_at)
    raise AssertionError("weeks never end")


def _free_slug(slug: str) -> str:
    """`spring-2`, or the next number nobody has. Two at once: one of them fails on the index."""
    stem, _dash, number = slug.rpartition("-")
    if not (stem and number.isascii() and number.isdecimal() and len(number) < 5):
        stem, number = slug, "1"
    for next_number in count(int(number) + 1):
        suffix = f"-{next_number}"
        candidate = stem[: SLUG_LENGTH_MAX - len(suffix)] + suffix
        if not Campaign.objects.filter(slug=candidate).exists():
            return candidate
    raise AssertionError("numbers never end")
