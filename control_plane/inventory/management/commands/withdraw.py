"""`python -m control_plane withdraw ITEM QTY --reason WHY`: take unsold units out of a sale.

`withdraw --cancel CHANGE`: wait no more for the rest of one.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.inventory import services
from control_plane.inventory.models import ChangeState


class Command(BaseCommand):
    """At once what the pool has, the rest as shards give it back."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The reason stays on record."""
        parser.add_argument("item", type=int, nargs="?")
        parser.add_argument("qty", type=int, nargs="?")
        parser.add_argument("--reason")
        parser.add_argument("--cancel", type=int, metavar="CHANGE", help="number of the change")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how much of it is done, and the change's number while some of it waits."""
        item, qty, reason = options["item"], options["qty"], options["reason"]
        try:
            if options["cancel"] is None:
                if None in (item, qty, reason):
                    raise CommandError("ITEM, QTY and --reason are required")
                change = services.withdraw(item, qty, reason, None)
            elif item is qty is reason is None:
                change = services.cancel_withdrawal(options["cancel"], None)
            else:
                raise CommandError("--cancel stands alone")
        except (services.InventoryError, ValueError) as error:
            raise CommandError(str(getattr(error, "message", error))) from error
        self.stdout.write(f"{change.done} of {change.qty} {change.state}")
        if change.state == ChangeState.WAITING:
            self.stdout.write(f"change {change.pk}")
