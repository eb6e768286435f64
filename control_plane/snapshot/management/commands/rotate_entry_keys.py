"""`python -m control_plane rotate_entry_keys`."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from control_plane.snapshot import services


class Command(BaseCommand):
    """Let a new key sign entry tokens; the key before it keeps verifying."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the id of the new key as JSON."""
        self.stdout.write(json.dumps({"kid": services.rotate_entry_key().kid}))
