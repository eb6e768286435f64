"""What the clock does a day after a sale."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import alone
from control_plane.reconciliation import services

# Any constant; one number per singleton task.
RECONCILE_LOCK = 0x51_0EC0


@app.task(name="reconciliation.reconcile")
def reconcile() -> None:
    """Compare what is due. Idempotent; a run beside another does nothing."""
    with alone(RECONCILE_LOCK) as is_alone:
        if is_alone:
            after = timedelta(hours=settings.ENV.reconcile_after_h)
            services.reconcile_due(timezone.now(), after)
