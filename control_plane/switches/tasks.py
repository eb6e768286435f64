"""What the clock does to switches."""

from django.db import transaction
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import is_alone
from control_plane.switches import services

# Any constant; one number per singleton task.
REVERT_LOCK = 0x51_5717


@app.task(name="switches.revert_due_switches")
def revert_due_switches() -> None:
    """Revert what is over. Idempotent; a run beside another does nothing."""
    with transaction.atomic():
        if is_alone(REVERT_LOCK):
            services.revert_due(timezone.now())
