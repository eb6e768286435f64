"""The configuration of the two kinds of Redis, stock and work, and connections to them."""

import hashlib
import os
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.process import Unhealthy
from deploy.local.site import Site

SLOTS = 16_384
STOCK_USERS = ("operator", "worker", "gateway")
TIMEOUT_S = 2

# What the gateway's user may do, and what the scripts it calls may do: Redis checks both alike.
# No SCRIPT, no EVAL: after a restart the gateway gets NOSCRIPT and the shard stays fenced until
# the stock agent has armed it again. Only keys of items.
_GATEWAY_RIGHTS = (
    "~{i*}:ctl ~{i*}:avail ~{i*}:buyers ~{i*}:outbox %R~{i*}:bans "
    "-@all +evalsha +ping +asking +cluster|slots +info +time "
    "+hget +hmget +hset +get +decrby +xadd"
)
# The queue's keys, in selectors of their own: what may be done to them may not be done to stock. It
# calls scripts with all of them, but each command in a script is checked too, and none of these
# writes `ctl`: nothing that the gateway can call moves a window.
_GATEWAY_QUEUE_RIGHTS = (
    "(~{q*}:ctl ~{q*}:numbers ~{q*}:came:* ~{q*}:lobby ~{q*}:seen -@all +evalsha) "
    "(%R~{q*}:ctl -@all +hmget) "
    "(~{q*}:numbers ~{q*}:lobby -@all +hget +hincrby) "
    "(~{q*}:came:* -@all +getbit +setbit) "
    "(~{q*}:seen -@all +bitfield)"
)
# Agents arm, grant, drain and trim; they never administer the server.
_WORKER_RIGHTS = (
    "~{i* ~{q* -@all +@read +@write +@stream +@scripting +@connection +@transaction "
    "+cluster|myid +cluster|slots +cluster|shards +cluster|info +cluster|nodes +cluster|keyslot "
    "+info +time +wait -@dangerous +info -script|kill -script|flush -script|debug"
)
# A replica asks its master for the stream and acknowledges it; it reads no key by itself.
_REPLICA_RIGHTS = "-@all +psync +replconf +ping"

# A full server must refuse: forgetting a buyer is worse.
_STOCK_FULL = "noeviction"
# Here only copies have a time to live. Tasks and queues have none: they are never forgotten, and go
# on when the statuses of a large sale fill it.
_WORK_FULL = "volatile-lru"

_BOTH = """\
bind 127.0.0.1
port {port}
dir "{folder}"
daemonize no
maxmemory {memory}
maxmemory-policy {policy}
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
# A hash of up to 512 fields would be a list that every HMGET of a batch searches 64 times: with 500
# bans a reservation cost twice as much. Control records stay lists.
hash-max-listpack-entries 64
# An epoch belongs to one life, and a life is the master's replication id. A master whose replicas
# are away for the default hour would give up its backlog, take another id and fence its shards.
repl-backlog-ttl 0
# Nobody comes in as default. Its rights are for Redis itself, which replays the transactions of the
# AOF (every script is one) as this user and leaves out, at a restart, what it may not do.
user default off ~* &* +@all
user operator on #{operator} ~* &* +@all
user worker on #{worker} {worker_rights}
user gateway on #{gateway} {gateway_rights} {gateway_queue_rights}
"""
_REPLICATION = """\
cluster-announce-port {port}
cluster-announce-bus-port {bus}
# The six are three pairs: a replica that moves to another master leaves its own without one.
cluster-allow-replica-migration no
# What a master takes while nobody copies it is lost when it dies. A replica acknowledges once a
# second; 2 forgives one lost acknowledgement and ends about when the others would replace the
# master (cluster-node-timeout), so that one that is cut off does not go on selling.
min-replicas-to-write 1
min-replicas-max-lag 2
# A copy may begin at once, there is no second replica to wait for.
repl-diskless-sync-delay 0
# A replica that was away for some seconds gets what it missed instead of a whole copy.
repl-backlog-size {backlog}
user replica on #{password_hash} {replica_rights}
masteruser replica
masterauth {password}
"""
_REPLICATION_BACKLOG = "64mb"


def stock_configuration(folder: Path, port: int, bus: int, passwords: dict[str, str]) -> str:
    """The redis.conf of one stock node; `passwords` by STOCK_USERS stand in it as SHA-256."""
    hashes = {user: _sha256(passwords[user]) for user in STOCK_USERS}
    return _BOTH.format(port=port, folder=folder, memory="1gb", policy=_STOCK_FULL) + _STOCK.format(
        bus=bus,
        worker_rights=_WORKER_RIGHTS,
        gateway_rights=_GATEWAY_RIGHTS,
        gateway_queue_rights=_GATEWAY_QUEUE_RIGHTS,
        **hashes,
    )


def replication_configuration(port: int, bus: int, password: str) -> str:
    """What a stock node needs besides where there are replicas; `password` is the user replica's.

    Alike on masters and replicas: each may become the other.
    """
    return _REPLICATION.format(
        port=port,
        bus=bus,
        backlog=_REPLICATION_BACKLOG,
        password=password,
        password_hash=_sha256(password),
        replica_rights=_REPLICA_RIGHTS,
    )


def work_configuration(folder: Path, port: int, password: str) -> str:
    """The redis.conf of the work Redis; the default snapshots are enough for what is in it.

    256 MB are the statuses of 700,000 reservations, which stand for two days.
    """
    both = _BOTH.format(port=port, folder=folder, memory="256mb", policy=_WORK_FULL)
    return f"{both}requirepass {password}\n"


def server(site: Site, name: str) -> list[str]:
    """The command of the server whose redis.conf is in the folder `name`."""
    return ["redis-server", os.fspath(site.folder(name) / "redis.conf")]


def stock_client(site: Site, node: str) -> redis.Redis:
    """A connection as `operator`, who may do everything; only the stack itself uses it."""
    return _client(site, node, "operator", site.secrets["stock_operator_password"])


def work_client(site: Site) -> redis.Redis:
    """A connection to the work Redis."""
    return _client(site, "redis-work", None, site.secrets["work_redis_password"])


def ping(client: redis.Redis) -> None:
    """Raise Unhealthy unless the server answers and has read its data; closes the connection."""
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


def _client(site: Site, name: str, user: str | None, password: str) -> redis.Redis:
    return redis.Redis(
        host=site.host(name),
        port=site.port(name),
        username=user,
        password=password,
        socket_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # the caller polls
        decode_responses=True,
    )


def _sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
