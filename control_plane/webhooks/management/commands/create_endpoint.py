"""`python -m control_plane create_endpoint MERCHANT URL [--events TYPE…]`: prints its secret."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from control_plane.merchants.models import Merchant
from control_plane.outgoing import addresses
from control_plane.webhooks import services
from control_plane.webhooks.models import ORDER_TYPES, Endpoint


class Command(BaseCommand):
    """An endpoint of a merchant, by his slug."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """All events, unless some are named."""
        known = [one.value for one in ORDER_TYPES]
        parser.add_argument("merchant")
        parser.add_argument("url")
        parser.add_argument("--events", nargs="+", choices=known, default=known)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print JSON: id and secret."""
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"there is no merchant {options['merchant']!r}")
        url = options["url"]
        try:
            addresses.parse(url, private=settings.ENV.webhooks_private)
        except addresses.BadAddress as error:
            raise CommandError(f"{url!r} {error}") from error
        if Endpoint.objects.filter(merchant=merchant, url=url).exists():
            raise CommandError(f"{merchant.slug} has {url!r} already")
        wanted = Endpoint(merchant=merchant, url=url, events=options["events"])
        made = services.create_endpoint(wanted, timezone.now())
        described = {"id": made.pk, "secret": made.secrets.get().secret}
        self.stdout.write(json.dumps(described))
