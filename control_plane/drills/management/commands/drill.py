"""`python -m control_plane drill [--soak 5m | --name NAME…] [--seed N]`: one run, to its end.

Only on a staging installation (SLUICE_DRILLS_ON). `--list` prints the reports there are.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from control_plane.drills import services


class Command(BaseCommand):
    """Run drills and keep the report."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without a name it is a soak; without a seed it is the time."""
        parser.add_argument("--soak", default=services.SOAK)
        parser.add_argument("--name", action="append", default=[])
        parser.add_argument("--seed", type=int)
        parser.add_argument("--list", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """All of it or, with a message, nothing."""
        now = timezone.now()
        seed = int(now.timestamp()) if options["seed"] is None else options["seed"]
        try:
            if options["list"]:
                for one in services.reports():
                    red = f": {', '.join(one.red)}" if one.red else ""
                    self.stdout.write(f"{one.name}  {one.green} of {one.drills} green{red}")
                return
            path = services.run(options["soak"], options["name"], seed, now)
        except services.DrillError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"report in {path}")
