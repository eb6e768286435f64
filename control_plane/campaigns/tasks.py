"""What the clock does to campaigns."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from control_plane.campaigns import services
from control_plane.config.celery import app
from control_plane.config.singleton import alone, is_alone

# Any constant; one number per singleton task.
ADVANCE_LOCK = 0x51_0CA3
SETTLE_LOCK = 0x51_05E7
WARM_LOCK = 0x51_0A2E


@app.task(name="campaigns.advance_campaigns")
def advance_campaigns() -> None:
    """Open and end campaigns that are due. Idempotent; a run beside another does nothing."""
    now = timezone.now()
    for step in (services.open_due, services.end_due):
        # A transaction for each: publishing has to be the last thing in a transaction.
        with transaction.atomic():
            if is_alone(ADVANCE_LOCK):
                step(now)


@app.task(name="campaigns.settle_campaigns")
def settle_campaigns() -> None:
    """Settle campaigns that are over. Idempotent; a run beside another does nothing."""
    with alone(SETTLE_LOCK) as is_first:
        if is_first:
            services.settle_due(timezone.now())


@app.task(name="campaigns.warm_campaigns")
def warm_campaigns() -> None:
    """See that what is about to start is armed. Idempotent; a run beside another does nothing."""
    with alone(WARM_LOCK) as is_first:
        if is_first:
            services.warm_due(timezone.now(), timedelta(seconds=settings.ENV.arm_lead_s))
