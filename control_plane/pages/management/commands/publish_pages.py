"""`python -m control_plane publish_pages`: publish what has changed, or everything anew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from control_plane.pages import services


class Command(BaseCommand):
    """Bring the published pages to what the database says; prints what was done."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--anew also writes what has not changed."""
        parser.add_argument(
            "--anew",
            action="store_true",
            help="render and write every page, also those that have not changed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """All of it or, with a message, nothing."""
        try:
            done = services.publish(timezone.now(), anew=options["anew"])
        except services.Elsewhere:
            raise CommandError("Another process is publishing just now. Try again.") from None
        except OSError as error:
            raise CommandError(f"Nothing was published: {error}") from error
        self.stdout.write(
            f"{done.campaigns} campaigns published, {done.rendered} of them rendered, "
            f"{done.swept} old files removed"
        )
