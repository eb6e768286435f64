"""What is public about a campaign: the one list of what a published file may say.

A field is public because it is named here. Nothing takes a model's fields as they come.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.pages.models import PictureFile, Words, words_of
from control_plane.snapshot.document import epoch_ms

# Whoever comes back for his order, or to check the draw, still finds the page.
ENDED_KEPT_FOR = timedelta(days=30)

Json = dict[str, Any]


def campaigns_to_publish(now: datetime) -> QuerySet[Campaign]:
    """Approved, live and lately ended ones. Drafts are nobody's business."""
    running = Q(state__in=[CampaignState.APPROVED, CampaignState.LIVE])
    ended = Q(state=CampaignState.ENDED, ended_at__gt=now - ENDED_KEPT_FOR)
    return with_words(Campaign.objects.filter(running | ended)).order_by("pk")


def with_words(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """With everything `facts_of` looks at, in a fixed number of queries; no picture's bytes."""
    files = PictureFile.objects.defer("body").order_by("width")
    items = (
        Item.objects.order_by("pk")
        .select_related("pool", "draw", "page__picture")
        .prefetch_related(Prefetch("page__picture__files", queryset=files))
    )
    return campaigns.select_related("merchant", "page__picture").prefetch_related(
        Prefetch("page__picture__files", queryset=files), Prefetch("items", queryset=items)
    )


def facts_of(campaign: Campaign) -> Json:
    """The published `campaign.json`. Prices in minor units, times in ms since 1970."""
    words = words_of(campaign)
    return {
        "slug": campaign.slug,
        "merchant": campaign.merchant.name,
        "title": _title(words, campaign.title),
        "text": _both(words.text_en, words.text_zh),
        "picture": _picture(words),
        "pay_href": words.pay_href or None,
        "shop_href": words.shop_href or None,
        "start_ms": epoch_ms(campaign.starts_at),
        "end_ms": epoch_ms(campaign.ends_at),
        "ended": campaign.state == CampaignState.ENDED,
        "items": [_item(item) for item in campaign.items.all()],
    }


def _item(item: Item) -> Json:
    words = words_of(item)
    # Looked at without its seed: the commitment alone is public before the draw.
    draw = getattr(item, "draw", None)
    return {
        "id": item.pk,
        "title": _title(words, item.title),
        "text": _both(words.text_en, words.text_zh),
        "picture": _picture(words),
        "price_minor": item.price_minor,
        "currency": item.currency,
        "units": item.pool.total if hasattr(item, "pool") else item.units,
        "limit": item.limit_per_shopper,
        "queue": item.queue_mode,
        "draw_commit": draw.commit if draw else None,
    }


def _title(words: Words, name: str) -> Json:
    """The campaign's or item's own title where the page has none in a language."""
    return {"en": words.title_en or name, "zh": words.title_zh or name}


def _both(en: str, zh: str) -> Json:
    return {"en": en or zh, "zh": zh or en}


def _picture(words: Words) -> Json | None:
    if words.picture is None:
        return None
    files = [
        {"file": one.name, "width": one.width, "height": one.height}
        for one in words.picture.files.all()
    ]
    return {"alt": _both(words.alt_en, words.alt_zh), "files": files}
