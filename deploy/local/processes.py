"""The table: every process of a stack, in the order of starting. Stopping goes backwards."""

from deploy.local.process import OneShot, Process
from deploy.local.servers import (
    control_plane,
    edge,
    fault_proxy,
    gateway,
    kafka,
    monitoring,
    postgres,
    stock_cluster,
    work_redis,
    workers,
)
from deploy.local.site import Site


def steps(site: Site) -> tuple[Process | OneShot, ...]:
    """Everything `up` does; only the stock Redis differs between the profiles."""
    servers: tuple[Process | OneShot, ...] = (
        postgres.PROCESS,
        *stock_cluster.steps(site),
        work_redis.PROCESS,
        kafka.PROCESS,
    )
    if site.settings.is_proxied:
        servers = fault_proxy.in_front_of(site, servers)
    return (
        *servers,
        control_plane.MIGRATIONS,
        control_plane.WEB,
        control_plane.CELERY_WORKER,
        control_plane.CELERY_WEBHOOKS,
        control_plane.CELERY_BEAT,
        workers.STOCK_AGENT,
        workers.RELAY,
        workers.ORDER_CONSUMER,
        workers.INVENTORY_CONSUMER,
        workers.ORDER_COURIER,
        workers.COMPENSATOR,
        workers.WEBHOOK_CONSUMER,
        workers.QUEUE_CONTROLLER,
        workers.RISK_SCORER,
        gateway.PROCESS,
        edge.PROCESS,
        *((monitoring.ALERTMANAGER, monitoring.PROMETHEUS) if site.settings.is_watched else ()),
    )


def processes(site: Site) -> tuple[Process, ...]:
    """What supervisord runs."""
    return tuple(step for step in steps(site) if isinstance(step, Process))


# The word for all clients where processes are named.
CLIENTS = "clients"


def servers_and_clients(site: Site) -> tuple[list[str], list[str]]:
    """Names of what holds the data, and of all that writes it, which has to stop first."""
    names = [process.name for process in processes(site)]
    first_client = names.index(control_plane.WEB.name)
    return names[:first_client], names[first_client:]


def named(site: Site, word: str) -> list[str]:
    """The processes a word stands for: itself, unless it is the one for the clients."""
    return servers_and_clients(site)[1] if word == CLIENTS else [word]
