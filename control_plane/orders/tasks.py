"""What the clock does to orders."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import alone
from control_plane.orders import services

# Any constant; one number per singleton task.
EXPIRE_LOCK = 0x51_0E4D
ORDERS_A_STEP = 500
# More than fall due in a second of a large sale, so that a backlog shrinks; well within the time
# limit of a task.
ORDERS_A_RUN = 5_000
assert ORDERS_A_RUN % ORDERS_A_STEP == 0


@app.task(name="orders.expire_orders")
def expire_orders() -> None:
    """End unpaid orders whose time is over. Idempotent; a run beside another does nothing."""
    with alone(EXPIRE_LOCK) as is_alone:
        if not is_alone:
            return
        grace = timedelta(seconds=settings.ENV.late_money_grace_s)
        failing = set[int]()
        for _ in range(ORDERS_A_RUN // ORDERS_A_STEP):
            known = len(failing)
            ended = services.expire_due(timezone.now(), ORDERS_A_STEP, failing, grace)
            if ended < ORDERS_A_STEP and len(failing) == known:
                break
        services.forget_decided_intents()
        services.forget_followed(timezone.now())
