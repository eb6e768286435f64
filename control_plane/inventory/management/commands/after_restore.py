"""`python -m control_plane after_restore --reason WHY`: once, when PostgreSQL was restored."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.inventory import services
from control_plane.orders.services import pass_over_order_numbers


class Command(BaseCommand):
    """Before consumers and stock agent start: deploy/runbook/backup.md has the order of steps."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`since`: the backup, less ten minutes. The reason stands at every re-arm."""
        parser.add_argument("--since", required=True, type=datetime.fromisoformat)
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each shard, what went to the pool, and the first number that is free."""
        if options["since"].tzinfo is None:
            raise CommandError("--since needs its zone, as in 2026-11-26T03:00:00+00:00")
        try:
            passed = services.pass_over_lost_epochs(options["reason"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        for one in passed:
            units = f"{one.returned} units to the pool"
            self.stdout.write(f"item {one.item} shard {one.shard}: {units}, next {one.next_epoch}")
        number, events = pass_over_order_numbers(options["since"])
        self.stdout.write(f"{len(passed)} shards; next order {number}; {events} events again")
