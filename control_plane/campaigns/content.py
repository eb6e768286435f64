"""What an approval is about: everything of a campaign that cannot be changed after it."""

import hashlib
import json
from typing import Any

from control_plane.campaigns.models import Campaign

OPTIONS = (
    "queue_k",
    "queue_grace_s",
    "lobby_minutes",
    "human_check",
    "pay_minutes",
    "buys_again",
)
ITEM_FIELDS = (
    "sku",
    "title",
    "units",
    "price_minor",
    "currency",
    "limit_per_shopper",
    "queue_mode",
)
BUCKET_FIELDS = ("name", "weight")


def content_of(campaign: Campaign) -> dict[str, Any]:
    """As the database has it now. Words and pictures of its page are not part: they may change."""
    return {
        "merchant": campaign.merchant_id,
        "slug": campaign.slug,
        "title": campaign.title,
        "starts_at": campaign.starts_at.timestamp(),
        "ends_at": campaign.ends_at.timestamp(),
        "time_zone": campaign.time_zone,
        **{name: getattr(campaign, name) for name in OPTIONS},
        "items": list(campaign.items.order_by("pk").values(*ITEM_FIELDS)),
        "buckets": list(campaign.buckets.order_by("place", "pk").values(*BUCKET_FIELDS)),
    }


def digest_of(campaign: Campaign) -> str:
    """SHA-256 of the content: equal for equal campaigns, whoever asks."""
    text = json.dumps(content_of(campaign), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
