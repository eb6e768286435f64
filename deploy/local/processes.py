"""The table: every process of the stack, in the order of starting. Stopping goes backwards."""

from deploy.local.process import OneShot, Process
from deploy.local.servers import control_plane, edge, gateway, kafka, postgres, redis, workers

STEPS: tuple[Process | OneShot, ...] = (
    postgres.PROCESS,
    redis.STOCK,
    redis.WORK,
    kafka.PROCESS,
    control_plane.MIGRATIONS,
    control_plane.WEB,
    control_plane.CELERY_WORKER,
    control_plane.CELERY_BEAT,
    workers.STOCK_AGENT,
    workers.RELAY,
    workers.ORDER_CONSUMER,
    workers.INVENTORY_CONSUMER,
    gateway.PROCESS,
    edge.PROCESS,
)
PROCESSES = tuple(step for step in STEPS if isinstance(step, Process))

# `down` stops everything from here on first: what is before holds the data they still write.
CLIENTS_BEGIN = control_plane.WEB.name
