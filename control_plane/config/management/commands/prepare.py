"""`python -m control_plane prepare`: everything a new or updated installation needs."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
from django.utils import timezone

from control_plane.config import history, roles, schedule
from control_plane.merchants.services import ensure_demo_merchant
from control_plane.risk.services import ensure_default_limits
from control_plane.snapshot import services as snapshots


class Command(BaseCommand):
    """Migrate both databases; make the first key, limits, schedule, roles, snapshot, demo shop."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Idempotent."""
        for alias in connections:
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        ensure_default_limits(timezone.now())
        schedule.sync()
        roles.sync()
        history.begin()
        if settings.ENV.demo:
            ensure_demo_merchant()
        snapshots.publish("prepared")
        self.stdout.write("ready")
