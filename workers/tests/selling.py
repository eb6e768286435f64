"""A gateway's part for tests: batches taken from a shard by its published script."""

import uuid
from datetime import datetime
from typing import Any

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders.models import DatabaseIntent
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockCluster
from workers.stock.keys import Shard
from workers.tests.messages import intent, line, reservation_id

NOW_MS = 1_800_000_000_000


def arm(cluster: StockCluster, shard: Shard, units: int = 1000, limit: int = 1) -> None:
    """A shard that sells, without PostgreSQL knowing of it."""
    shards.arm(cluster, shard, shards.life_of(cluster, shard), limit, NOW_MS)
    shards.grant(cluster, shard, uuid.uuid4(), units)


def close(allocation: Allocation) -> None:
    """The whole way to the end of an epoch, as the agent goes it, without its Redis and Kafka."""
    rearm = inventory.begin_rearm(allocation.pk, "fast", "a test")
    for before, after in (("fenced", "disarmed"), ("disarmed", "drained")):
        assert inventory.advance(rearm.pk, before, after)
    assert inventory.advance(rearm.pk, "drained", "barrier_sent", partitions=8)
    inventory.close_epoch(rearm.pk)


def sell(cluster: StockCluster, shard: Shard, shoppers: list[str], **changed: Any) -> str:
    """One batch by EVALSHA; returns the codes of `reserve.lua`, one letter a shopper."""
    lines = [line(shard.item, shopper, **changed) for shopper in shoppers]
    keys = [shard.ctl, shard.avail, shard.buyers, shard.outbox]
    sha = scripts.reserve_for(shard).sha
    codes, _ = cluster.node_of(shard).evalsha(sha, len(keys), *keys, *lines)
    return str(codes.decode())


def put_lines(cluster: StockCluster, shard: Shard, *lines: bytes) -> None:
    """An outbox entry that no reserve script would write."""
    entry: dict[Any, Any] = {"v": "2", "n": len(lines), "lines": b"\n".join(lines)}

    cluster.node_of(shard).xadd(shard.outbox, entry)


def reserve_in_database(item: int, shopper: str, now: datetime) -> DatabaseIntent:
    """A row of the stock source `database`, of the item's first epoch; no relay has seen it."""
    return DatabaseIntent.objects.create(
        reservation_id=reservation_id(item, shopper),
        item_id=item,
        shard=0,
        epoch=1,
        shopper=shopper,
        qty=1,
        value=intent(item, shopper).decode(),
        created_at=now,
    )
