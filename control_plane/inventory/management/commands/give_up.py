"""`python -m control_plane give_up REARM|--all --reason WHY`: nodes that are gone for good."""

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
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("rearm", type=UUID, nargs="?")
        which.add_argument(
            "--all",
            action="store_true",
            help="every re-arm that is not closed, of a stock source which does not sell any more",
        )
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the id, or how many there were."""
        try:
            if options["all"]:
                count = services.give_up_lost_source(options["reason"], None)
                self.stdout.write(f"{count} re-arms given up")
            else:
                services.give_up(options["rearm"], options["reason"], None)
                self.stdout.write(f"{options['rearm']} given up")
        except (services.InventoryError, ValueError) as error:
            raise CommandError(str(getattr(error, "message", error))) from error
