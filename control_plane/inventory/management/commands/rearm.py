"""`python -m control_plane rearm ITEM --reason WHY`: end the epochs of an item's shards."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, AllocationState, RearmMode


class Command(BaseCommand):
    """Each shard stops at once and sells again under a new epoch, which the stock agent opens."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """All shards unless one is named; fast unless `--full`."""
        parser.add_argument("item", type=int)
        parser.add_argument("--shard", type=int)
        parser.add_argument("--full", action="store_true")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the id of each re-arm and its epoch."""
        selling = Allocation.objects.filter(item=options["item"], state=AllocationState.SELLING)
        if options["shard"] is not None:
            selling = selling.filter(shard=options["shard"])
        mode = RearmMode.FULL if options["full"] else RearmMode.FAST
        begun = 0
        for allocation in selling.order_by("shard"):
            try:
                rearm = services.begin_rearm(allocation.pk, mode, options["reason"])
            except services.AllocationNotSelling:
                continue  # somebody else was quicker: it is being re-armed
            except ValueError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"{rearm.pk} {allocation}")
            begun += 1
        if not begun:
            raise CommandError("no such shard sells")
