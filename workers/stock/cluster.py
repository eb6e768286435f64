"""The way to a shard's node in the stock Redis.

redis-py's cluster client keeps the slot map; the calls go to the node's own client, because they
are pipelined per node and every failure gets a name here instead of hidden retries.
"""

import logging
from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from workers.runtime import metrics
from workers.runtime.env import StockRedis
from workers.runtime.verdicts import Unavailable
from workers.stock.keys import Shard
from workers.stock.scripts import Script

# A node that does not answer holds up its caller for this long.
TIMEOUT_S = 2.0

_log = logging.getLogger(__name__)


class ShardFenced(Exception):
    """The node does not accept the shard's epoch; only a new epoch helps."""


class StockCluster:
    """Connections to the stock Redis. Made without connecting; for one thread.

    After Unavailable the slot map is read anew before the next call.
    """

    def __init__(self, address: StockRedis, process: str) -> None:
        self._address = address
        self._process = process
        self._cluster: RedisCluster | None = None

    def node_of(self, shard: Shard) -> "redis.Redis":
        """The client of the master that has the shard's slot; raises Unavailable."""
        try:
            if self._cluster is None:
                self._cluster = self._connect()
            node = self._cluster.get_node_from_key(shard.ctl)  # type: ignore[no-untyped-call]
            if node is None:
                raise redis.exceptions.SlotNotCoveredError(f"no node has the slot of {shard.tag}")
            client: redis.Redis = self._cluster.get_redis_connection(node)
            return client
        except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
            raise self.failed(error) from error

    def run(self, shard: Shard, script: Script, keys: Sequence[str], *args: str | int) -> Any:
        """Call a script on the shard's node. Only for repeat-safe scripts: loads it when unknown.

        Raises ShardFenced, Unavailable (also when it is unknown whether the script ran), and
        redis.ResponseError for a refusal that names neither.
        """
        node = self.node_of(shard)
        try:
            try:
                return node.evalsha(script.sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return node.eval(script.text, len(keys), *keys, *args)
        except redis.RedisError as error:
            if str(error).startswith("FENCED"):
                raise ShardFenced(str(error)) from error
            if is_refusal(error):
                raise
            raise self.failed(error) from error

    def failed(self, error: Exception) -> Unavailable:
        """Count the failure and forget the slot map; returns what to raise."""
        metrics.STOCK_REDIS_ERRORS.labels(self._process, type(error).__name__).inc()
        self._cluster = None
        return Unavailable(f"stock Redis: {type(error).__name__}: {error}")

    def _connect(self) -> RedisCluster:
        return RedisCluster(
            startup_nodes=[
                ClusterNode(host, port)  # type: ignore[no-untyped-call]
                for host, port in self._address.seeds
            ],
            username=self._address.user,
            password=self._address.password,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # Losing one shard's slots must not stop the others.
            require_full_coverage=False,
            # The loops around this class try again; a hidden retry would only hold up other shards.
            retry=Retry(NoBackoff(), 0),
        )


# A new master, a cluster that is being mended, a server that starts or is full: later is better.
_PASSING = (
    *("MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN", "READONLY"),
    *("BUSY", "OOM", "MISCONF", "NOREPLICAS"),
)


def is_refusal(error: redis.RedisError) -> bool:
    """True when the server understood the call and will answer the same again."""
    if not isinstance(error, redis.ResponseError):
        return False
    passing = (
        redis.exceptions.MovedError,
        redis.exceptions.AskError,
        redis.exceptions.ClusterDownError,
        redis.exceptions.TryAgainError,
        redis.exceptions.ReadOnlyError,
        redis.exceptions.OutOfMemoryError,
    )
    return not isinstance(error, passing) and not str(error).startswith(_PASSING)
