"""Celery: `celery -A control_plane.config worker` and `… beat`."""

import logging
import os
import sys
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, task_postrun, task_prerun, worker_init
from celery.states import SUCCESS
from kombu.entity import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")

from django.conf import settings
from django.db import close_old_connections, connections
from django.db.backends.signals import connection_created

from control_plane.metrics import celery as figures

# Into the log as a line like any other.
logging.captureWarnings(True)

TASK_SOFT_LIMIT_S = 20
TASK_LIMIT_S = 30
# A task is delivered again when its worker has not acknowledged it within this time, so a task
# that is still allowed to run must never reach it.
REDELIVERY_AFTER_S = 120
assert TASK_SOFT_LIMIT_S < TASK_LIMIT_S < REDELIVERY_AFTER_S

TICKS, WAITED_FOR, WEBHOOKS, SLOW = "celery", "waited-for", "webhooks", "slow"
# What may take seconds: orders must not end late for it. None of these runs beside itself.
SLOW_TASKS = (
    "campaigns.settle_campaigns",
    "dead_letters.retry_due",
    "payments.refund_due",
    "reconciliation.reconcile",
    "reconciliation.compare_sides",
)

app = Celery("sluice")
app.conf.update(
    broker_url=settings.ENV.work_redis_url,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": REDELIVERY_AFTER_S,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    },
    task_default_queue=TICKS,
    # Taken in turns, so that what somebody waits for stands behind one tick and not behind all.
    task_queues=tuple(
        Queue(name, routing_key=name)  # type: ignore[no-untyped-call]
        for name in (TICKS, WAITED_FOR)
    ),
    # WEBHOOKS and SLOW are none of the default worker's: a run waits for other people's servers, or
    # reads a whole sale. They are taken by a worker of their own (`-Q webhooks,slow`), in threads,
    # one for each run there can be at once; where there is none, all that waits.
    task_routes={
        "payments.demo_collect": {"queue": WAITED_FOR},
        "webhooks.*": {"queue": WEBHOOKS},
        **{name: {"queue": SLOW} for name in SLOW_TASKS},
    },
    task_ignore_result=True,
    # Tasks are idempotent: run again after a crash rather than lose one.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_soft_time_limit=TASK_SOFT_LIMIT_S,
    task_time_limit=TASK_LIMIT_S,
    task_serializer="json",
    accept_content=["json"],
    timezone="UTC",
    # The schedule stands in PostgreSQL (`schedule.py`); each loop asks whether it was edited.
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
    beat_max_loop_interval=1,
    # Results are not kept, and the scheduler would add a task of its own that clears them.
    result_expires=None,
    # Celery would connect anew for every task; see `close_what_is_old`.
    CELERY_DB_REUSE_MAX=sys.maxsize,
)
app.autodiscover_tasks(
    [
        "control_plane.api",
        "control_plane.campaigns",
        "control_plane.dead_letters",
        "control_plane.drills",
        "control_plane.orders",
        "control_plane.pages",
        "control_plane.payments",
        "control_plane.reconciliation",
        "control_plane.risk",
        "control_plane.snapshot",
        "control_plane.switches",
        "control_plane.webhooks",
    ]
)


figures.connect()


@worker_init.connect
def bound_statements(**_: object) -> None:
    """A thread cannot be ended as a process can; so PostgreSQL ends what has hung for that long."""
    connection_created.connect(_bound_statements, weak=False, dispatch_uid="bound_statements")


def _bound_statements(connection: Any, **_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", [TASK_LIMIT_S * 1000])


@task_prerun.connect
def close_what_is_old(task: Task, **_: object) -> None:
    """A connection older than CONN_MAX_AGE, or one that an error left unusable."""
    if not task.request.is_eager:
        close_old_connections()


@task_postrun.connect
def close_what_failed(task: Task, state: str = "", **_: object) -> None:
    """A task that was interrupted may have left its session a lock (`singleton.alone`)."""
    if not task.request.is_eager and state != SUCCESS:
        connections.close_all()


@setup_logging.connect
def keep_django_logging(**_: object) -> None:
    """Celery would replace the root logger's handlers; the JSON lines of `settings` stay."""
