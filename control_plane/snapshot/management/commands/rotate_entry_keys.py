"""`python -m control_plane rotate_entry_keys`."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from control_plane.snapshot import services


class Command(BaseCommand):
    """Let a new key sign entry tokens in five seconds; the key before it keeps verifying."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """For the trail."""
        parser.add_argument("--reason", default="")
        parser.add_argument(
            "--leaked", action="store_true", help="refuse all that older keys signed, at once"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the id of the new key as JSON."""
        key = services.rotate_entry_key(reason=options["reason"][:200], leaked=options["leaked"])
        self.stdout.write(json.dumps({"kid": key.kid}))
