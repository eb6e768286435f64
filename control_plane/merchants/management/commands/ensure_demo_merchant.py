"""`python -m control_plane ensure_demo_merchant`."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from control_plane.merchants import services


class Command(BaseCommand):
    """Create the merchant `demo` and its key unless they exist."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the merchant as JSON."""
        merchant = services.ensure_demo_merchant()
        self.stdout.write(json.dumps({"id": merchant.pk, "slug": merchant.slug}))
