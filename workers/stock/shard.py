"""A shard in the stock agent's hands: armed, given units, watched. Calls may be repeated."""

import uuid
from dataclasses import dataclass

import redis

from workers.stock import scripts
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard


@dataclass(frozen=True)
class ShardState:
    """What the shard's node says. `fault` says why it refuses to sell, None when it sells."""

    fault: str | None
    avail: int
    sold_out: bool


def arm(cluster: StockCluster, shard: Shard, limit: int, now_ms: int) -> str:
    """Make the epoch's keys and load its reserve script; returns the script's SHA-1.

    Only for an epoch whose script was never published: a shard that sold and lost its script may
    have lost sales with it, and loading the script again would sell their units twice.
    Raises ShardFenced, Unavailable.
    """
    cluster.run(
        shard,
        scripts.ARM,
        [shard.ctl, shard.avail, shard.outbox],
        str(shard.epoch),
        limit,
        now_ms,
    )
    reserve = scripts.reserve_for(shard)
    try:
        sha = cluster.node_of(shard).script_load(reserve.text)
    except redis.RedisError as error:
        raise cluster.failed(error) from error
    assert sha == reserve.sha, "Redis and we disagree about a SHA-1"
    return reserve.sha


def grant(cluster: StockCluster, shard: Shard, grant_id: uuid.UUID, qty: int) -> int:
    """Put the grant's units in, once; returns the units free. Raises ShardFenced, Unavailable."""
    keys = [shard.ctl, shard.avail, shard.grants]
    _, avail = cluster.run(shard, scripts.GRANT, keys, str(shard.epoch), str(grant_id), qty)
    return int(avail)


def mark_sold_out(cluster: StockCluster, shard: Shard) -> bool:
    """Let the empty shard say sold_out; False when it holds units again. Raises as `grant`."""
    keys = [shard.ctl, shard.avail]
    return bool(cluster.run(shard, scripts.MARK_SOLD_OUT, keys, str(shard.epoch)))


def look(cluster: StockCluster, shard: Shard, script_sha: str) -> ShardState:
    """The state of an armed shard; reads only. Raises Unavailable."""
    node = cluster.node_of(shard)
    try:
        pipeline = node.pipeline(transaction=False)
        pipeline.script_exists(script_sha)
        pipeline.execute_command("CLUSTER MYID")  # type: ignore[no-untyped-call]
        pipeline.hmget(shard.ctl, "epoch", "node", "sold_out")
        pipeline.get(shard.avail)
        replies = pipeline.execute(raise_on_error=False)
    except redis.RedisError as error:
        raise cluster.failed(error) from error
    for reply in replies:
        if isinstance(reply, redis.RedisError):
            # Nothing asked here can be refused for good, so whatever it is may pass.
            raise cluster.failed(reply)
    (has_script,), node_id, (epoch, armed_node, sold_out), avail = replies
    fault = None
    if epoch is None or avail is None:
        fault = "its keys are gone"
    elif epoch != str(shard.epoch).encode() or armed_node != _bytes(node_id):
        fault = "it was armed on another node"
    elif not has_script:
        fault = "its node has restarted and lost the reserve script"
    return ShardState(fault, int(avail or 0), sold_out == b"1")


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
