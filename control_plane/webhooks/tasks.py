"""What the clock does to webhooks. On a queue of its own: the merchants' servers set the pace."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import alone
from control_plane.webhooks import services

# Any constant; one number per singleton task.
DELIVER_LOCK = 0x51_0EB0
TEND_LOCK = 0x51_0EB1


@app.task(name="webhooks.deliver")
def deliver() -> None:
    """Send what is due. Idempotent; a run beside another does nothing."""
    with alone(DELIVER_LOCK) as is_alone:
        if is_alone:
            services.deliver_due(services.Way(private=settings.ENV.webhooks_private))


@app.task(name="webhooks.tend")
def tend() -> None:
    """Switch off endpoints that fail for days and forget what is old. Idempotent."""
    now = timezone.now()
    with alone(TEND_LOCK) as is_alone:
        if is_alone:
            services.switch_off_failing(now, timedelta(days=settings.ENV.webhooks_off_after_days))
            services.forget_old(now)
