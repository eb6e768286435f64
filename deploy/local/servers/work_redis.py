"""The work Redis: Celery's broker, caches and the status projection. Nothing in it is truth."""

from deploy.local.process import Process
from deploy.local.servers.redis import ping, server, work_client, work_configuration
from deploy.local.site import Site, write_private


def prepare(site: Site) -> None:
    """Write redis.conf."""
    folder = site.folder("redis-work")
    password = site.secrets["work_redis_password"]
    text = work_configuration(folder, site.port("redis-work"), password)
    write_private(folder / "redis.conf", text)


def healthy(site: Site) -> None:
    """The server answers."""
    ping(work_client(site))


PROCESS = Process(
    name="redis-work",
    command=lambda site: server(site, "redis-work"),
    prepare=prepare,
    healthy=healthy,
    ports=("redis-work",),
)
