"""The way to a shard's node in the stock Redis, and what a failed call there means.

An own slot map and own connections instead of redis-py's cluster client: that one reads the map
from whatever seed comes first and waits for it, so a single hung node would hold up every shard.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.runtime import metrics
from workers.runtime.clock import Clock, SystemClock
from workers.runtime.env import StockRedis
from workers.runtime.verdicts import Unavailable
from workers.stock.keys import Shard, slot_of
from workers.stock.scripts import Script

SLOTS = 16_384
# A node that does not answer holds up its caller for this long, once in a while (`Node.rest`).
CALL_TIMEOUT_S = 0.5
# While the map is in doubt it is read this often, from any node that answers.
MAP_DOUBTED_S = 0.1
# A refused connection costs nothing, so it is soon tried again; a call that was waited for is not.
REST_AFTER_REFUSED_S = 0.1
REST_AFTER_SILENCE_S = 1.0
REST_MAX_S = 2.0
assert CALL_TIMEOUT_S <= REST_AFTER_SILENCE_S <= REST_MAX_S

_log = logging.getLogger(__name__)


class Tagged(Protocol):
    """Something whose keys share a hash tag: a shard, a queue."""

    @property
    def tag(self) -> str:
        """With its braces."""
        ...


class ShardFenced(Exception):
    """The node does not accept the shard's epoch; only a new epoch helps."""


class NoReplicas(Unavailable):
    """The master answers, but takes no writes while nobody copies it."""


class Node(redis.Redis):
    """The client of one node; it never retries by itself, and rests after a failure."""

    def __init__(self, host: str, port: int, account: StockRedis, timeout_s: float) -> None:
        super().__init__(
            host=host,
            port=port,
            username=account.user,
            password=account.password,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # The loops around this class try again; a hidden retry would hold up other shards.
            retry=Retry(NoBackoff(), 0),
        )
        self.host = host
        self.rest_until = float("-inf")
        self._pause = 0.0

    def rest(self, now: float, least: float) -> None:
        """Leave it alone from now on, for longer the oftener it fails in a row."""
        in_a_row = now < self.rest_until + REST_MAX_S
        self._pause = min(max(least, 2 * self._pause if in_a_row else 0), REST_MAX_S)
        self.rest_until = now + self._pause
        # Not those in use: another thread may be reading from one, and would end with an error that
        # is none of Redis'.
        self.connection_pool.disconnect(inuse_connections=False)

    def rests(self, now: float) -> bool:
        """Whether it failed a moment ago."""
        return now < self.rest_until


class StockCluster:
    """Connections to one stock Redis. Made without connecting; for one thread.

    A call that fails puts the map in doubt, and a node that did not answer at rest: until that is
    over its shards are Unavailable at once, while those of other nodes go on.
    """

    def __init__(
        self,
        address: StockRedis,
        process: str,
        timeout_s: float = CALL_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self._address = address
        self._process = process
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._nodes: dict[tuple[str, int], Node] = {}
        self._owners: list[Node | None] = []
        self._asked_at = float("-inf")
        self._in_doubt = True
        self._turns = 0
        # Said once, until they give one again.
        self._mapless: set[Node] = set()

    def node_of(self, shard: Tagged) -> Node:
        """The client of the master that has the shard's slot; raises Unavailable."""
        self._look_at_map()
        node = self._owners[slot_of(shard.tag)] if self._owners else None
        if node is None:
            raise Unavailable(f"stock Redis: no node has the slot of {shard.tag}")
        if node.rests(self._clock.monotonic()):
            raise Unavailable(f"stock Redis: the node of {shard.tag} does not answer")
        return node

    def run(self, shard: Tagged, script: Script, keys: Sequence[str], *args: str | int) -> Any:
        """Call a script on the shard's node. Only for repeat-safe scripts: loads it when unknown.

        Raises ShardFenced, NoReplicas, Unavailable (also when it is unknown whether the script
        ran), and redis.ResponseError for a refusal that names none of them.
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
            raise self.failed(error, node) from error

    def ping(self, keys: Tagged) -> None:
        """Whether the node of these keys answers; raises Unavailable."""
        node = self.node_of(keys)
        try:
            node.ping()
        except redis.RedisError as error:
            raise self.failed(error, node) from error

    def failed(self, error: Exception, node: Node | None = None) -> Unavailable:
        """Count the failure, doubt the map, let the node rest if it is silent; what to raise."""
        metrics.STOCK_REDIS_ERRORS.labels(self._process, type(error).__name__).inc()
        if str(error).startswith("NOREPLICAS"):
            return NoReplicas(f"stock Redis: {error}")
        self._in_doubt = True
        if node is not None and isinstance(error, redis.ConnectionError | redis.TimeoutError):
            is_silent = isinstance(error, redis.TimeoutError)
            least = REST_AFTER_SILENCE_S if is_silent else REST_AFTER_REFUSED_S
            node.rest(self._clock.monotonic(), least)
        return Unavailable(f"stock Redis: {type(error).__name__}: {error}")

    def place_for(self, number: int) -> Callable[[int], bool]:
        """Which slots the next epoch of shard `number` may have; raises Unavailable.

        Those of its own master, or of the next one that takes writes.
        """
        self._look_at_map()
        masters = [node for node in dict.fromkeys(self._owners) if node is not None]
        for more in range(len(masters)):
            node = masters[(number + more) % len(masters)]
            if self._takes_writes(node):
                return lambda slot: self._owners[slot] is node
        raise Unavailable("stock Redis: no master takes writes")

    def _takes_writes(self, node: Node) -> bool:
        """A master, and where it wants replicas it has them (Redis tells the second only there)."""
        if node.rests(self._clock.monotonic()):
            return False
        try:
            info: Any = node.info("replication")
        except redis.RedisError as error:
            self.failed(error, node)
            return False
        return bool(info["role"] == "master" and info.get("min_slaves_good_slaves", 1) > 0)

    def _look_at_map(self) -> None:
        """Read the slot map when it is in doubt, from the first node that answers.

        Stays with the old one when none does.
        """
        now = self._clock.monotonic()
        if not self._in_doubt or now - self._asked_at < MAP_DOUBTED_S:
            return
        self._asked_at = now
        seeds = [self._node(address) for address in self._address.seeds]
        nodes = list(dict.fromkeys([*self._nodes.values(), *seeds]))
        # Another one first each time: one that is cut off may answer with what was true once.
        self._turns += 1
        first = self._turns % len(nodes)
        # Who failed lately is asked last: it may hang still, and all shards would wait for it.
        for node in sorted(nodes[first:] + nodes[:first], key=lambda node: node.rest_until):
            if node.rests(now):
                continue
            try:
                slots = node.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
            except redis.RedisError as error:
                failure = self.failed(error, node)
                if node not in self._mapless:
                    _log.warning("no slot map: %s", failure)
                    self._mapless.add(node)
                continue
            self._mapless.discard(node)
            self._take(slots, node)
            self._in_doubt = any(one.rests(now) for one in self._owners if one is not None)
            return

    def _take(self, slots: Any, told_by: Node) -> None:
        """Lines of first slot, last slot, master, replicas; each [host, port, id, more]."""
        owners: list[Node | None] = [None] * SLOTS
        for first, last, *nodes in slots:
            # A node that was never told its own address leaves it out.
            addresses = [(one[0].decode() or told_by.host, int(one[1])) for one in nodes]
            owner, *_ = [self._node(address) for address in addresses]
            owners[first : last + 1] = [owner] * (last + 1 - first)
        self._owners = owners

    def _node(self, address: tuple[str, int]) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(*address, self._address, self._timeout_s)
        return self._nodes[address]


class StockClusters:
    """The stock clusters by source, as an allocation names it."""

    def __init__(self, clusters: Mapping[str, StockCluster]) -> None:
        self._clusters = clusters

    @classmethod
    def connect(
        cls, addresses: Mapping[str, StockRedis], process: str, timeout_s: float = CALL_TIMEOUT_S
    ) -> "StockClusters":
        """One for each address, e.g. `env.stock_sources`; connects later."""
        return cls({name: StockCluster(one, process, timeout_s) for name, one in addresses.items()})

    def __getitem__(self, source: str) -> StockCluster:
        try:
            return self._clusters[source]
        except KeyError:
            raise Unavailable(f"no address is configured for the stock source {source}") from None

    def all(self) -> list[StockCluster]:
        """Each that an address is configured for."""
        return list(self._clusters.values())

    def of(self, shard: Shard) -> StockCluster:
        """The cluster that has this shard's keys; raises Unavailable."""
        return self[shard.source]


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
