"""`python -m control_plane create_campaign`: a campaign of the demo shop with one item."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from control_plane.campaigns import services
from control_plane.campaigns.models import Campaign, Item, QueueMode
from control_plane.merchants.models import Merchant
from control_plane.merchants.services import ensure_demo_merchant
from control_plane.snapshot.document import epoch_ms
from control_plane.warehouse.services import stock_in


class Command(BaseCommand):
    """Create a campaign of the demo shop, stock the warehouse for it, print it as JSON."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Times are relative to now; the price is in minor units."""
        parser.add_argument("--slug", required=True)
        parser.add_argument("--title", required=True)
        parser.add_argument("--units", type=int, required=True)
        parser.add_argument("--price-minor", type=int, required=True)
        parser.add_argument("--limit", type=int, default=1)
        parser.add_argument("--starts-in-s", type=float, required=True)
        parser.add_argument("--lasts-s", type=float, required=True)
        parser.add_argument("--queue-mode", choices=QueueMode.values, default=QueueMode.OFF)
        parser.add_argument(
            "--bucket",
            action="append",
            default=[],
            type=_bucket,
            metavar="NAME=WEIGHT",
            help="of the queue; again for the next one",
        )
        parser.add_argument("--without-human-check", action="store_true")
        parser.add_argument("--approve", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """All of it or, with a message, nothing."""
        merchant = ensure_demo_merchant()
        try:
            with transaction.atomic():
                campaign = _create(merchant, options)
        except ValidationError as error:
            raise CommandError(str(error.message_dict)) from error
        except services.CampaignError as error:
            raise CommandError(str(error.message)) from error
        for item in campaign.items.all():
            stock_in(item.sku, item.units)
        self.stdout.write(json.dumps(_describe(campaign)))


def _bucket(text: str) -> dict[str, Any]:
    name, _, weight = text.partition("=")
    if not (name and weight.isascii() and weight.isdecimal()):
        raise ArgumentTypeError(f"NAME=WEIGHT, not {text!r}")
    return {"name": name, "weight": int(weight)}


def _create(merchant: Merchant, options: dict[str, Any]) -> Campaign:
    now = timezone.now()
    starts_at = now + timedelta(seconds=options["starts_in_s"])
    campaign = services.create_draft(
        merchant,
        slug=options["slug"],
        title=options["title"],
        starts_at=starts_at,
        ends_at=starts_at + timedelta(seconds=options["lasts_s"]),
        items=[
            {
                "sku": options["slug"].upper(),
                "title": options["title"],
                "units": options["units"],
                "price_minor": options["price_minor"],
                "limit_per_shopper": options["limit"],
                "queue_mode": options["queue_mode"],
            }
        ],
        buckets=options["bucket"],
        human_check=not options["without_human_check"],
    )
    return services.approve(campaign, by=None, now=now) if options["approve"] else campaign


def _describe(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.pk,
        "slug": campaign.slug,
        "merchant": campaign.merchant.slug,
        "state": campaign.state,
        "start_ms": epoch_ms(campaign.starts_at),
        "end_ms": epoch_ms(campaign.ends_at),
        "human_check": campaign.human_check,
        "items": [_describe_item(item) for item in campaign.items.order_by("pk")],
        "buckets": [{"name": one.name, "weight": one.weight} for one in campaign.buckets.all()],
    }


def _describe_item(item: Item) -> dict[str, Any]:
    return {
        "id": item.pk,
        "sku": item.sku,
        "units": item.units,
        "limit": item.limit_per_shopper,
        "price_minor": item.price_minor,
        "path_key": item.path_key,
        "queue_mode": item.queue_mode,
    }
