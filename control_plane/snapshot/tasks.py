"""What the clock does to entry keys."""

from django.db import transaction
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import is_alone
from control_plane.snapshot import services

# Any constant; one number per singleton task.
SIGN_LOCK = 0x51_5169


@app.task(name="snapshot.sign_with_due_key")
def sign_with_due_key() -> None:
    """Let a new key sign once it is known. Idempotent; a run beside another does nothing."""
    with transaction.atomic():
        if is_alone(SIGN_LOCK):
            services.sign_with_due_key(timezone.now())
