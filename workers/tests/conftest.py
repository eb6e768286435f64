"""Real servers for the workers: own topics for each test, own items, nobody else's data.

Databases are pytest-django's. The stock Redis is shared with a running stack, so items have random
ids and with them keys of their own.
"""

import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import connections
from django.utils import timezone

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.merchants.models import Merchant
from control_plane.orders import projection
from control_plane.webhooks.models import ORDER_TYPES, Endpoint
from workers import inventory_consumer, order_consumer
from workers.inventory_consumer import WarehouseHandler
from workers.order_consumer import OrderHandler
from workers.outbox_keeper import OutboxKeeper
from workers.queue import line
from workers.relay import Relay
from workers.relayed_topic import RelayedTopic
from workers.runtime import env as environment
from workers.runtime import kafka
from workers.runtime.clock import SystemClock
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.env import Env, StockRedis
from workers.runtime.kafka import Names
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import DeadLetterCap
from workers.stock import scripts
from workers.stock.cluster import StockCluster, StockClusters
from workers.stock.keys import Shard
from workers.stock.outbox import OutboxReader
from workers.tests import relaying
from workers.tests.broker import Broker
from workers.tests.queue_crowd import Published, TurnedClock
from workers.tests.queue_stage import Stage
from workers.tests.running import in_thread
from workers.tests.selling import arm

FIRST_TEST_ITEM = 10**9
RACE_DEADLINE_S = 30


@pytest.fixture(autouse=True)
def nothing_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test could not write to the work Redis is not the next one's."""
    monkeypatch.setattr(projection, "_missed", threading.Event())


@pytest.fixture(scope="session")
def env() -> Env:
    """The environment as a worker that needs everything reads it."""
    port = {"SLUICE_METRICS_PORT": "1"}
    return environment.read(os.environ | port, stock_redis=True, kafka=True, work_redis=True)


@pytest.fixture
def clock() -> SystemClock:
    """The machine's."""
    return SystemClock()


@pytest.fixture
def broker(env: Env) -> Iterator[Broker]:
    """Kafka with topics of this test alone."""
    assert env.kafka_brokers
    kafka = Broker(env.kafka_brokers, Names(f"t{uuid.uuid4().hex[:12]}."))
    kafka.create_topics()
    yield kafka
    kafka.delete_topics()


@pytest.fixture
def work_redis(env: Env) -> "redis.Redis":
    """The cache of statuses."""
    assert env.work_redis_url
    return redis.Redis.from_url(env.work_redis_url)


@pytest.fixture
def units() -> int:
    """Of the item; a file that needs more overrides it."""
    return 1000


@pytest.fixture
def campaign(transactional_db: None, units: int) -> Campaign:
    """Approved, starting in half a minute, without a limit worth mentioning on its units."""
    merchant = Merchant.objects.create(slug="shop", name="Shop")
    now = datetime.now(UTC)
    draft = campaigns.create_draft(
        merchant,
        slug="spring",
        title="Spring",
        starts_at=now + timedelta(seconds=30),
        ends_at=now + timedelta(hours=1),
        items=[
            {
                "id": random.randrange(FIRST_TEST_ITEM, 2 * FIRST_TEST_ITEM),
                "sku": "TEA",
                "title": "Tea",
                "units": units,
                "price_minor": 1999,
            }
        ],
    )
    return campaigns.approve(draft, by=None, now=now)


@pytest.fixture
def item(campaign: Campaign, cluster: StockCluster) -> Iterator[Item]:
    """One unit for each shopper; its stock keys are removed afterwards."""
    item = campaign.items.get()
    yield item
    for epoch in range(1, 6):
        shard = Shard(item.pk, 0, epoch)
        node = cluster.node_of(shard)
        keys = (shard.ctl, shard.avail, shard.buyers, shard.outbox, shard.grants, shard.reclaims)
        for key in keys:
            node.delete(key)


@pytest.fixture
def cluster(env: Env) -> StockCluster:
    """The stock Redis, as user `worker`."""
    assert env.stock_redis
    return StockCluster(env.stock_redis, "test")


@pytest.fixture
def clusters(env: Env) -> StockClusters:
    """The same with every source there is, for somebody else's thread."""
    return StockClusters.connect(env.stock_sources, "test")


@pytest.fixture
def at_once() -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    """Run callables in threads that start together; a result or the exception for each."""

    def run(calls: Sequence[Callable[[], Any]]) -> list[Any]:
        together = threading.Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            together.wait(RACE_DEADLINE_S)
            try:
                return call()
            except Exception as error:  # noqa: BLE001  (the test looks at it)
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(calls)) as threads:
            futures = [threads.submit(one, call) for call in calls]
            return [future.result(RACE_DEADLINE_S) for future in futures]

    return run


@pytest.fixture
def shard(item: Item, cluster: StockCluster) -> Shard:
    """The item's only shard, armed."""
    armed = Shard(item.pk, 0, 1)
    arm(cluster, armed)
    return armed


@pytest.fixture
def allocation(item: Item, units: int) -> Iterator[Allocation]:
    """The first epoch of the item's shard, with all its units."""
    opened = inventory.open_epoch(item.pk, 0, after=0, epoch=1, source="primary")
    assert opened
    inventory.begin_grant(opened.pk, units)
    yield opened
    assert inventory.conservation(item.pk).drift == 0


@pytest.fixture
def consume(
    broker: Broker, work_redis: "redis.Redis", clock: SystemClock
) -> Callable[..., AbstractContextManager[None]]:
    """A context in which an order consumer runs."""

    @contextmanager
    def running(
        cache: "redis.Redis" = work_redis,
        cap: DeadLetterCap | None = None,
        instance: str = "test",
    ) -> Iterator[None]:
        stop = threading.Event()
        handler = OrderHandler(broker.producer(), cache, clock, stop, broker.names)
        group = broker.names.group(order_consumer.GROUP)
        loop = ConsumerLoop(
            kafka.connect_consumer(kafka.consumer_settings(broker.brokers, group, instance)),
            broker.names.reservations,
            handler,
            clock=clock,
            stop=stop,
            cap=cap,
            halt_s=0,
            on_idle=handler.idle,
        )
        with in_thread(loop.run, stop):
            yield

    return running


@pytest.fixture
def consume_events(
    broker: Broker, clock: SystemClock
) -> Callable[[], AbstractContextManager[None]]:
    """A context in which an inventory consumer runs."""

    @contextmanager
    def running() -> Iterator[None]:
        stop = threading.Event()
        handler = WarehouseHandler(broker.producer(), clock, stop, broker.names)
        group = broker.names.group(inventory_consumer.GROUP)
        loop = ConsumerLoop(
            kafka.connect_consumer(kafka.consumer_settings(broker.brokers, group, "test")),
            broker.names.order_events,
            handler,
            clock=clock,
            stop=stop,
        )
        with in_thread(loop.run, stop):
            yield

    return running


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Asks whatever runs in a thread to end, at the latest with the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def keeper(clusters: StockClusters, clock: SystemClock, stop: threading.Event) -> OutboxKeeper:
    """The relay's second thread, turned by the test or started, then until `stop`."""
    return OutboxKeeper(
        clusters,
        clock,
        stop,
        readiness=Readiness(clock, []),
        topic=RelayedTopic(clusters, "reservations", {}),
        ask_kafka=lambda: None,
    )


@pytest.fixture
def new_relay(env: Env, broker: Broker, clock: SystemClock) -> Callable[..., Relay]:
    """Relays by consumer name, in this thread."""

    def build(
        consumer: str = "relay-1",
        brokers: str | None = None,
        sources: Mapping[str, StockRedis] = env.stock_sources,
    ) -> Relay:
        client = broker.producer() if brokers is None else relaying.producer(brokers)
        reader = OutboxReader(StockClusters.connect(sources, "test"), consumer, clock)
        return Relay(reader, client, clock, broker.names)

    return build


@pytest.fixture
def stage(
    item: Item,
    shard: Shard,
    allocation: Allocation,
    cluster: StockCluster,
    clusters: StockClusters,
) -> Iterator[Stage]:
    """The item's units in its shard, as the stock agent leaves them; a fifo with one bucket."""
    inventory.claim_life(allocation.pk, "a" * 40)
    inventory.record_armed(allocation.pk, scripts.reserve_for(shard).sha)
    for grant in inventory.pending_grants(allocation.pk):
        inventory.mark_grant_applied(grant.pk)
    clock = TurnedClock()
    stage = Stage(item, shard, cluster, clusters, clock, Published(item, clock))
    yield stage
    for one in [item, *stage.published.neighbours]:
        line.forget(cluster, one.pk)


@pytest.fixture
def endpoint(campaign: Campaign) -> Endpoint:
    """Where the campaign's merchant hears of all that becomes of orders."""
    return Endpoint.objects.create(
        merchant=campaign.merchant,
        url="https://shop.example/hooks",
        events=list(ORDER_TYPES),
        created_at=timezone.now() - timedelta(hours=1),
    )
