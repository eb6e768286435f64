"""`python -m control_plane give_up REARM --reason WHY`: the node of this shard is gone for good."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from control_plane.inventory import services


class Command(BaseCommand):
    """Go on without the node: reservations that only it knew are lost."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The id is the one that `rearm` and the admin show."""
        parser.add_argument("rearm", type=UUID)
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the id."""
        try:
            services.give_up(options["rearm"], options["reason"], None)
        except (services.InventoryError, ValueError) as error:
            raise CommandError(str(getattr(error, "message", error))) from error
        self.stdout.write(f"{options['rearm']} given up")
