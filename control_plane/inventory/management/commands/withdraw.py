"""`python -m control_plane withdraw ITEM QTY --reason WHY`: take unsold units out of a sale."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.inventory import services


class Command(BaseCommand):
    """At once what the pool has, the rest as shards give it back."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The reason stays on record."""
        parser.add_argument("item", type=int)
        parser.add_argument("qty", type=int)
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how much of it is done."""
        try:
            change = services.withdraw(options["item"], options["qty"], options["reason"], None)
        except (services.InventoryError, ValueError) as error:
            raise CommandError(str(getattr(error, "message", error))) from error
        self.stdout.write(f"{change.done} of {change.qty} {change.state}")
