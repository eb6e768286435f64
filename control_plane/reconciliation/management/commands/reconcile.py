"""`python -m control_plane reconcile CAMPAIGN`: compare all sides of a campaign, and mend.

What reads the stock Redis and Kafka is the workers' code, which the control plane does not import:
the command becomes that process.
"""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from control_plane.reconciliation.child import command


class Command(BaseCommand):
    """Its exit code is 0 balanced, 1 findings, 2 could not look."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Checked by the process that takes them."""
        parser.add_argument("campaign")
        parser.add_argument("--engine", default="duckdb")
        parser.add_argument("--no-repair", action="store_true")
        parser.add_argument("--settle-s", type=int, default=60)

    def handle(self, *args: Any, **options: Any) -> None:
        """Does not return."""
        sys.stdout.flush()
        flags = ["--no-repair"] if options["no_repair"] else []
        arguments = command(
            options["campaign"],
            *("--engine", options["engine"], "--settle-s", str(options["settle_s"]), "--quiet"),
            *flags,
        )
        os.execv(arguments[0], arguments)
