"""The two Redis servers: stock (durable, cluster mode, two users) and work (broker, cache)."""

import hashlib
import os
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.process import Process, Unhealthy
from deploy.local.site import Site, write_private

SLOTS = 16_384
STOCK_USERS = ("operator", "worker", "gateway")
TIMEOUT_S = 2

# What the gateway's user may do, and what the scripts it calls may do: Redis checks both alike.
# No SCRIPT, no EVAL: after a restart the gateway gets NOSCRIPT and the shard stays fenced until
# the stock agent has armed it again. Only keys of items.
_GATEWAY_RIGHTS = (
    "~{i* -@all +evalsha +ping +cluster|myid +cluster|slots +cluster|shards "
    "+hget +hmget +hset +get +decrby +incrby +xadd"
)
# Agents arm, grant, drain and trim; they never administer the server.
_WORKER_RIGHTS = (
    "~{i* -@all +@read +@write +@stream +@scripting +@connection +@transaction "
    "+cluster|myid +cluster|slots +cluster|shards +cluster|info +cluster|nodes +cluster|keyslot "
    "+info +time +wait -@dangerous +info -script|kill -script|flush -script|debug"
)

_BOTH = """\
bind 127.0.0.1
port {port}
dir "{folder}"
daemonize no
maxmemory {memory}
# A full server must refuse; forgetting a buyer or a task is worse.
maxmemory-policy noeviction
tcp-keepalive 60
"""
_STOCK = """\
cluster-enabled yes
cluster-port {bus}
cluster-config-file nodes.conf
cluster-announce-ip 127.0.0.1
cluster-node-timeout 2000
# A lost shard must not stop the others.
cluster-require-full-coverage no
appendonly yes
# RESERVED is answered only when it is on disk.
appendfsync always
save ""
# Nobody comes in as default. Its rights are for Redis itself, which replays the transactions of the
# AOF (every script is one) as this user and leaves out, at a restart, what it may not do.
user default off ~* &* +@all
user operator on #{operator} ~* &* +@all
user worker on #{worker} {worker_rights}
user gateway on #{gateway} {gateway_rights}
"""


def stock_client(site: Site) -> redis.Redis:
    """A connection as `operator`, who may do everything; only the stack itself uses it."""
    return redis.Redis(
        host="127.0.0.1",
        port=site.port("redis-stock"),
        username="operator",
        password=site.secrets["stock_operator_password"],
        socket_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # the caller polls
        decode_responses=True,
    )


def work_client(site: Site) -> redis.Redis:
    """A connection to the work Redis."""
    return redis.Redis(
        host="127.0.0.1",
        port=site.port("redis-work"),
        password=site.secrets["work_redis_password"],
        socket_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # the caller polls
        decode_responses=True,
    )


def prepare_stock(site: Site) -> None:
    """Write redis.conf."""
    folder = site.folder("redis-stock")
    passwords = {user: site.secrets[f"stock_{user}_password"] for user in STOCK_USERS}
    ports = site.port("redis-stock"), site.port("redis-stock-bus")
    write_private(folder / "redis.conf", stock_configuration(folder, *ports, passwords))


def stock_configuration(folder: Path, port: int, bus: int, passwords: dict[str, str]) -> str:
    """The redis.conf of one stock node; `passwords` by STOCK_USERS stand in it as SHA-256."""
    hashes = {user: hashlib.sha256(passwords[user].encode()).hexdigest() for user in STOCK_USERS}
    return _BOTH.format(port=port, folder=folder, memory="1gb") + _STOCK.format(
        bus=bus, worker_rights=_WORKER_RIGHTS, gateway_rights=_GATEWAY_RIGHTS, **hashes
    )


def prepare_work(site: Site) -> None:
    """Write redis.conf; snapshots as Redis ships them are enough, nothing here is truth."""
    folder = site.folder("redis-work")
    text = _BOTH.format(port=site.port("redis-work"), folder=folder, memory="256mb")
    write_private(
        folder / "redis.conf", text + f"requirepass {site.secrets['work_redis_password']}\n"
    )


def assign_slots(site: Site) -> None:
    """Give all slots to the single node, once; nodes.conf remembers them."""
    with stock_client(site) as client:
        try:
            if int(cluster_info(client)["cluster_slots_assigned"]) == 0:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        except redis.RedisError as error:
            raise Unhealthy(f"slots: {error}") from error


def stock_alive(site: Site) -> None:
    """The server answers and has read its AOF."""
    _ping(stock_client(site))


def stock_healthy(site: Site) -> None:
    """Every slot is served."""
    with stock_client(site) as client:
        try:
            info = cluster_info(client)
        except redis.RedisError as error:
            raise Unhealthy(str(error)) from error
    if info["cluster_state"] != "ok" or int(info["cluster_slots_ok"]) != SLOTS:
        raise Unhealthy(f"cluster state {info['cluster_state']}, {info['cluster_slots_ok']} slots")


def work_healthy(site: Site) -> None:
    """The server answers."""
    _ping(work_client(site))


def _ping(client: redis.Redis) -> None:
    try:
        client.ping()
    except redis.RedisError as error:
        raise Unhealthy(str(error)) from error
    finally:
        client.close()


def cluster_info(client: redis.Redis) -> dict[str, str]:
    """The fields of CLUSTER INFO."""
    answer = client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
    if isinstance(answer, dict):  # the client parses it since some version, and did not before
        return {key: str(value) for key, value in answer.items()}
    return dict(line.split(":", 1) for line in answer.split("\r\n") if ":" in line)


def _server(site: Site, name: str) -> list[str]:
    return ["redis-server", os.fspath(site.folder(name) / "redis.conf")]


STOCK = Process(
    name="redis-stock",
    command=lambda site: _server(site, "redis-stock"),
    prepare=prepare_stock,
    alive=stock_alive,
    finish=assign_slots,
    healthy=stock_healthy,
    ports=("redis-stock", "redis-stock-bus"),
)
WORK = Process(
    name="redis-work",
    command=lambda site: _server(site, "redis-work"),
    prepare=prepare_work,
    healthy=work_healthy,
    ports=("redis-work",),
)
