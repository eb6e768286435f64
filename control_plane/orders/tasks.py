"""What the clock does to orders."""

import logging
import time
from datetime import timedelta

import redis
from django.conf import settings
from django.utils import timezone

from control_plane.config.celery import app
from control_plane.config.singleton import alone
from control_plane.orders import mending, projection, services

# Any constant; one number per singleton task.
EXPIRE_LOCK = 0x51_0E4D
MEND_LOCK = 0x51_0E4E
ORDERS_A_STEP = 500
# More than fall due in a second of a large sale, so that a backlog shrinks; well within the time
# limit of a task.
ORDERS_A_RUN = 5_000
assert ORDERS_A_RUN % ORDERS_A_STEP == 0
# Statuses written again in one call of the work Redis, which answers nobody else meanwhile: 5 ms.
STATUSES_A_STEP = 1_000
# Then the worker is somebody else's; the next tick goes on.
MENDING_S = 5.0

_log = logging.getLogger(__name__)


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


@app.task(name="orders.mend_statuses")
def mend_statuses() -> None:
    """Write again what the work Redis has lost of the shoppers' statuses. Idempotent; alone."""
    with alone(MEND_LOCK) as is_alone:
        if not is_alone:
            return
        until = time.monotonic() + MENDING_S
        try:
            with projection.connect(settings.ENV.work_redis_url) as work_redis:
                while not mending.mend_step(work_redis, timezone.now(), STATUSES_A_STEP):
                    if time.monotonic() > until:
                        break
        except redis.RedisError as error:
            _log.warning("lost statuses are not written again yet: %s", error)
