"""What the clock does to webhooks. On a queue of its own: the merchants' servers set the pace."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import alone
from control_plane.webhooks import services

# Any constants; one number per singleton task. Two runs that deliver: while one waits for the last
# answers of its time, the other one goes on with everybody else.
DELIVER_LOCKS = (0x51_0EB0, 0x51_0EB2)
TEND_LOCK = 0x51_0EB1


@app.task(name="webhooks.deliver")
def deliver() -> None:
    """Send what is due. Idempotent; a third run beside two others does nothing."""
    for lock in DELIVER_LOCKS:
        with alone(lock) as is_free:
            if is_free:
                services.deliver_due(services.Way(private=settings.ENV.webhooks_private))
                return


@app.task(name="webhooks.tend")
def tend() -> None:
    """Switch off endpoints that fail for days and forget what is old. Idempotent."""
    now = timezone.now()
    with alone(TEND_LOCK) as is_alone:
        if is_alone:
            services.switch_off_failing(now, timedelta(days=settings.ENV.webhooks_off_after_days))
            services.forget_old(now)
