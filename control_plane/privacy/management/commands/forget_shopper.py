"""`python -m control_plane forget_shopper MERCHANT SHOPPER --reason WHY`."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.merchants.models import Merchant
from control_plane.privacy.services import StillNeeded, forget_shopper


class Command(BaseCommand):
    """Takes his id out of all rows. Books stay; backups keep him until they are thrown away."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The merchant by its slug: another shop's customer may have the same id."""
        parser.add_argument("merchant")
        parser.add_argument("shopper")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many rows of each kind it was; the id is not printed."""
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"no merchant {options['merchant']}")
        try:
            forgotten = forget_shopper(merchant, options["shopper"], options["reason"])
        except StillNeeded as error:
            raise CommandError(f"not yet: {error}") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(", ".join(f"{what} {count}" for what, count in asdict(forgotten).items()))
