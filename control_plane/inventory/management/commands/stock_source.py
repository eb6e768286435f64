"""`python -m control_plane stock_source [primary|standby|database] --reason WHY`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.inventory import services
from control_plane.inventory.models import RearmMode, Source


class Command(BaseCommand):
    """Change the stock source, or print which one sells."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without a source it only prints."""
        parser.add_argument("source", nargs="?", choices=Source.values)
        parser.add_argument("--forced", action="store_true", help="the old source is gone")
        parser.add_argument("--full", action="store_true", help="wait until old epochs are closed")
        parser.add_argument("--reason")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the source and its generation."""
        if options["source"]:
            if not options["reason"]:
                raise CommandError("--reason is required")
            try:
                services.switch_source(
                    options["source"],
                    reason=options["reason"],
                    by=None,
                    mode=RearmMode.FULL if options["full"] else RearmMode.FAST,
                    forced=options["forced"],
                )
            except (services.InventoryError, ValueError) as error:
                raise CommandError(str(getattr(error, "message", error))) from error
        source, generation = services.current_source()
        self.stdout.write(f"{source} {generation}")
