"""A sale in a real Redis, Kafka and both databases, and comparisons of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders.models import Order
from control_plane.reconciliation.models import Run
from control_plane.warehouse.models import StockEntry
from tests.redis.waiting import until
from workers.agent.units import Units
from workers.reconcile.kafka_side import KafkaSide
from workers.reconcile.looking import Asked, Sides, look
from workers.reconcile.repairs import Repairs
from workers.relay import Relay
from workers.runtime.clock import SystemClock, to_ms
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockCluster, StockClusters
from workers.stock.keys import Shard
from workers.tests.broker import Broker
from workers.tests.conftest import (
    broker,
    campaign,
    clock,
    cluster,
    clusters,
    consume,
    consume_events,
    env,
    item,
    new_relay,
    units,
    work_redis,
)
from workers.tests.relaying import run_until
from workers.tests.selling import sell

__all__ = [
    "broker",
    "campaign",
    "clock",
    "cluster",
    "clusters",
    "consume",
    "consume_events",
    "env",
    "item",
    "new_relay",
    "units",
    "work_redis",
]

# A machine with other work on it.
WAIT_S = 60.0
UNITS = 100


class Sale:
    """One shard, armed as the agent does it; each step of the way by hand."""

    def __init__(
        self,
        item: Item,
        allocation: Allocation,
        cluster: StockCluster,
        relay: Relay,
        consume: Callable[..., AbstractContextManager[None]],
        consume_events: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.item = item
        self.allocation = allocation
        self.shard = Shard(item.pk, 0, 1)
        self.cluster = cluster
        self.consume = consume
        self._consume_events = consume_events
        self._relay = relay

    def sell(self, *shoppers: str) -> None:
        """One batch, each shopper reserves a unit."""
        assert sell(self.cluster, self.shard, list(shoppers)) == "R" * len(shoppers)

    def relay(self) -> None:
        """Until Kafka has everything."""
        run_until(self._relay, self.shard, lambda: shards.is_drained(self.cluster, self.shard))

    def land(self, orders: int) -> None:
        """Until so many orders stand in both databases."""
        with self.consume():
            until(lambda: Order.objects.count() == orders, "all are landed", WAIT_S)
        with self._consume_events():
            until(lambda: StockEntry.objects.count() == orders, "all are deducted", WAIT_S)

    def order(self, shopper: str) -> Order:
        """His."""
        return Order.objects.get(shopper=shopper)

    @property
    def node(self) -> Any:
        """The shard's."""
        return self.cluster.node_of(self.shard)


@pytest.fixture
def sale(
    item: Item,
    cluster: StockCluster,
    clusters: StockClusters,
    new_relay: Callable[..., Relay],
    consume: Callable[..., AbstractContextManager[None]],
    consume_events: Callable[[], AbstractContextManager[None]],
) -> Iterator[Sale]:
    """A hundred units in the item's only shard."""
    allocation = inventory.open_epoch(item.pk, 0, after=0, epoch=1, source="primary")
    assert allocation
    sale = Sale(item, allocation, cluster, new_relay(), consume, consume_events)
    life = shards.life_of(cluster, sale.shard)
    inventory.claim_life(allocation.pk, life)
    shards.arm(cluster, sale.shard, life, 1, to_ms(SystemClock().now()))
    inventory.record_armed(allocation.pk, scripts.reserve_for(sale.shard).sha)
    Units(clusters).give(allocation.pk, sale.shard, UNITS)
    yield sale
    assert inventory.conservation(item.pk).drift == 0


@pytest.fixture
def kafka_side(broker: Broker) -> KafkaSide:
    """The topics of this test."""
    return KafkaSide(broker.brokers, broker.names)


@pytest.fixture
def repairs(
    clusters: StockClusters, kafka_side: KafkaSide, broker: Broker, clock: SystemClock
) -> Repairs:
    """Which may wait for as long as this machine takes."""
    return Repairs(
        clusters, kafka_side, broker.producer(), broker.names, clock, seen_within_s=WAIT_S
    )


@pytest.fixture
def compare(
    campaign: Campaign,
    clusters: StockClusters,
    kafka_side: KafkaSide,
    clock: SystemClock,
    tmp_path: Path,
) -> Callable[..., Run]:
    """`compare(repairs=…)`; nothing is too young."""

    def run(repairs: Repairs | None = None, **changed: Any) -> Run:
        sides: dict[str, Any] = {"clusters": clusters, "kafka": kafka_side, "repairs": repairs}
        sides |= changed
        asked = Asked(campaign.slug, settle=timedelta(0))
        return look(asked, Sides(**sides), tmp_path, clock)

    return run
