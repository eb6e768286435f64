"""What the clock does to rules and bans."""

from django.db import transaction
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import is_alone
from control_plane.risk import services

# Any constant; one number per singleton task.
END_LOCK = 0x51_E4D5
FORGET_LOCK = 0x51_F165


@app.task(name="risk.end_due")
def end_due() -> None:
    """End rules and close bans whose time is up. Idempotent; beside another it does nothing."""
    now = timezone.now()
    # Bans first: publishing, which ending rules does, has to be the last thing in a transaction.
    for step in (services.close_run_out, services.end_due_rules):
        with transaction.atomic():
            if is_alone(END_LOCK):
                step(now)


@app.task(name="risk.forget_figures")
def forget_figures() -> None:
    """Remove figures that nobody looks at any more. Idempotent; beside another it does nothing."""
    with transaction.atomic():
        if is_alone(FORGET_LOCK):
            services.forget(timezone.now())
