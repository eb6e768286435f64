"""What the clock does when a sale is over, and a day after it."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import alone
from control_plane.reconciliation import child, services

# Any constant; one number per singleton task.
RECONCILE_LOCK = 0x51_0EC0
SIDES_LOCK = 0x51_0EC1


@app.task(name="reconciliation.reconcile")
def reconcile() -> None:
    """Compare what is due. Idempotent; a run beside another does nothing."""
    with alone(RECONCILE_LOCK) as is_alone:
        if is_alone:
            after = timedelta(hours=settings.ENV.reconcile_after_h)
            services.reconcile_due(timezone.now(), after)


@app.task(name="reconciliation.compare_sides")
def compare_sides() -> None:
    """Compare all sides of the campaign that is due, in a process of its own. As `reconcile`.

    It may take longer than the broker waits for it: what is delivered again meanwhile does nothing.
    """
    with alone(SIDES_LOCK) as is_alone:
        if is_alone:
            after = timedelta(hours=settings.ENV.reconcile_after_h)
            for one in services.due(timezone.now(), after)[:1]:
                newest, began = services.newest_of(one), timezone.now()
                code = child.compare(*one)
                services.note_end(one, code, newest, (began, timezone.now()))
