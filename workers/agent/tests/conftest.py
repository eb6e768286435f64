"""A stock cluster of three masters and a standby, and agents that may stop anywhere."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory import services as inventory
from deploy.local.servers.redis import SLOTS
from tests.redis.server import PASSWORDS, StockServer
from tests.redis.waiting import until
from workers.agent import rounds
from workers.agent.barriers import Barriers
from workers.agent.rounds import StockAgent
from workers.agent.tests.sale import Sale
from workers.agent.tests.skipping_clock import SkippingClock
from workers.runtime.env import StockRedis
from workers.runtime.kafka import Names
from workers.stock.cluster import StockClusters
from workers.tests.broker import Broker
from workers.tests.conftest import at_once, broker, campaign, env, units

__all__ = ["at_once", "broker", "campaign", "env", "units"]

LEAD = timedelta(seconds=60)
MASTERS = 3
# Longer than in production: here every server of the machine waits for the same disk.
CALL_TIMEOUT_S = 2.0
# As long: a round arms all that is missing, so that a test can count rounds.
ARMING_S = 60.0

NewAgent = Callable[..., StockAgent]


@pytest.fixture(autouse=True)
def time_to_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arming may take of a round."""
    monkeypatch.setattr(rounds, "ARMING_S", ARMING_S)


@pytest.fixture(scope="session")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StockServer]]:
    """One cluster, the slots in equal parts; nobody copies anybody."""
    folder = tmp_path_factory.mktemp("masters")
    nodes = [StockServer(folder / str(number)) for number in range(MASTERS)]
    for node in nodes:
        node.start()
    for number, node in enumerate(nodes):
        first, after = (SLOTS * n // MASTERS for n in (number, number + 1))
        node.operator.execute_command("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
        if number:
            nodes[0].meet(node)
    until(lambda: all(node.is_whole() for node in nodes), "the cluster is whole")
    yield nodes
    for node in nodes:
        node.stop()


@pytest.fixture(scope="session")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """Another cluster, of one node."""
    node = StockServer(tmp_path_factory.mktemp("standby") / "node")
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


def address_of(*nodes: StockServer) -> StockRedis:
    """Their seeds, as user `worker`."""
    seeds = tuple(("127.0.0.1", node.port) for node in nodes)
    return StockRedis(seeds, "worker", PASSWORDS["worker"])


@pytest.fixture
def addresses(masters: list[StockServer], standby: StockServer) -> dict[str, StockRedis]:
    """Of both sources."""
    return {"primary": address_of(*masters), "standby": address_of(standby)}


@pytest.fixture
def clusters(addresses: dict[str, StockRedis]) -> StockClusters:
    """The test's own connections."""
    return StockClusters.connect(addresses, "test", CALL_TIMEOUT_S)


@pytest.fixture
def clock() -> SkippingClock:
    """Goes as the machine's; a test may let time pass."""
    return SkippingClock()


@pytest.fixture
def item(campaign: Campaign) -> Iterator[Item]:
    """30 units in three shards, up to three for each shopper. Whatever a test does, I1 holds."""
    item = campaign.items.get()
    set_units(item, 30)
    Item.objects.filter(pk=item.pk).update(shards=3, limit_per_shopper=3)
    item.refresh_from_db()
    yield item
    for other in Item.objects.all():
        assert inventory.conservation(other.pk).drift == 0


def set_units(item: Item, units: int) -> None:
    """Before anything is granted."""
    item.pool.total = item.pool.unallocated = units
    item.pool.save()


@pytest.fixture
def no_kafka(clock: SkippingClock) -> Barriers:
    """Kafka is away."""
    return Barriers(Producer({"bootstrap.servers": "127.0.0.1:1"}), Names(), clock)


@pytest.fixture
def barriers(broker: Broker, clock: SkippingClock) -> Barriers:
    """To the topics of this test."""
    return Barriers(broker.producer(), broker.names, clock)


@pytest.fixture
def new_agent(
    addresses: dict[str, StockRedis], clock: SkippingClock, request: pytest.FixtureRequest
) -> NewAgent:
    """Agents that know nothing of each other; with Kafka where the test uses `broker`."""
    kafka = "barriers" if "broker" in request.fixturenames else "no_kafka"
    barriers: Barriers = request.getfixturevalue(kafka)

    def build(
        lead: timedelta = LEAD, seed: int = 1, timeout_s: float = CALL_TIMEOUT_S
    ) -> StockAgent:
        clusters = StockClusters.connect(addresses, "test", timeout_s)
        return StockAgent(clusters, barriers, clock, lead, random.Random(seed))

    return build


@pytest.fixture
def agent(new_agent: NewAgent) -> StockAgent:
    """The one agent of most tests."""
    return new_agent()


@pytest.fixture
def sale(item: Item, clusters: StockClusters, request: pytest.FixtureRequest) -> Sale:
    """Shoppers, relay and consumers of the item, turned by hand."""
    kafka = request.getfixturevalue("broker") if "broker" in request.fixturenames else None
    return Sale(item, clusters, kafka)
