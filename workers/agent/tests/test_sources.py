"""Changing the stock that sells: primary, standby, database, and back."""

from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.utils import timezone

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool, Rearm
from control_plane.orders import services as orders
from control_plane.snapshot.models import Snapshot
from tests.redis.waiting import until
from workers.stock.cluster import StockClusters
from workers.tests.messages import intent, reservation_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def open_sale(sale, agent, broker):
    """One unit of each shard is sold, and not in Kafka yet."""
    sale.open(agent)
    sale.go_live()
    assert [sale.buy(sale.shopper_of(shard)) for shard in range(3)] == ["R", "R", "R"]
    return sale


def _switch(source, **how):
    inventory.switch_source(source, reason="test", by=None, **how)


def _published(item):
    document = Snapshot.objects.latest("version").document
    shards = document["items"][str(item.pk)]["shards"]
    return sorted((one["shard"], one["source"]) for one in shards)


def test_the_standby_sells_once_the_primary_is_disarmed(open_sale, agent, item):
    old = [open_sale.epoch(shard) for shard in range(3)]
    _switch("standby")
    assert _published(item) == []
    open_sale.open(agent)
    assert _published(item) == [(0, "standby"), (1, "standby"), (2, "standby")]
    for epoch in old:
        with pytest.raises(redis.ResponseError, match="FENCED"):
            open_sale.buy(open_sale.shopper_of(epoch.shard, 9), epoch=epoch)
    open_sale.settle(agent)
    open_sale.open(agent)
    assert sum(open_sale.avails()) == 27
    assert [open_sale.buy(open_sale.shopper_of(shard)) for shard in range(3)] == ["A", "A", "A"]


def test_and_back(open_sale, agent, item):
    _switch("standby")
    open_sale.settle(agent)
    _switch("primary")
    open_sale.settle(agent)
    open_sale.open(agent)
    assert _published(item) == [(0, "primary"), (1, "primary"), (2, "primary")]
    assert sum(open_sale.avails()) == 27
    assert [open_sale.buy(open_sale.shopper_of(shard)) for shard in range(3)] == ["A", "A", "A"]


@pytest.fixture
def without_primary(masters):
    """All of its nodes hang, until told otherwise."""

    def thaw():
        for node in masters:
            node.thaw()

    for node in masters:
        node.freeze()
    yield thaw
    thaw()


def _standby_sells():
    armed = Allocation.objects.filter(source="standby").exclude(script_sha="")
    return armed.count() == 3


def test_a_planned_change_waits_for_a_primary_that_does_not_answer(
    open_sale, new_agent, without_primary, agent
):
    impatient = new_agent(timeout_s=0.1)
    _switch("standby")
    impatient.round()
    impatient.round()
    assert not Allocation.objects.filter(source="standby").exists()
    without_primary()
    open_sale.rounds_until(agent, _standby_sells, "the standby sells")


def test_a_forced_change_waits_for_the_lease_alone(
    open_sale, new_agent, addresses, without_primary, agent
):
    impatient = new_agent(timeout_s=0.1)
    _switch("standby", forced=True)
    Rearm.objects.update(lease_until=timezone.now() + timedelta(hours=1))
    impatient.round()
    assert not Allocation.objects.filter(source="standby").exists()
    Rearm.objects.update(lease_until=timezone.now())
    # The undelivered outboxes of the primary hold its units; the pool has none yet.
    open_sale.rounds_until(impatient, _standby_sells, "the standby sells")
    without_primary()
    open_sale.clusters = StockClusters.connect(addresses, "test")
    fenced = Rearm.objects.filter(stage="fenced")
    open_sale.rounds_until(agent, lambda: not fenced.exists(), "all are disarmed")
    open_sale.settle(agent)
    open_sale.open(agent)
    assert sum(open_sale.avails()) == 27


def _reserve(sale, shopper, epoch, qty=1):
    rid = reservation_id(sale.item.pk, shopper, epoch.shard)
    value = intent(sale.item.pk, shopper, shard=epoch.shard, epoch=epoch.epoch, qty=qty).decode()
    request = orders.Request(shopper=shopper, reservation_id=rid, qty=qty, value=value)
    now = datetime.now(UTC)
    return orders.reserve(sale.item.pk, epoch.shard, epoch.epoch, [request], now)[0]


def test_the_database_sells_from_the_pool_alone(open_sale, agent, item):
    _switch("database")
    agent.round()
    assert not Allocation.objects.filter(source="database").exists(), "nothing is closed yet"
    open_sale.settle(agent)
    agent.round()
    assert _published(item) == [(0, "database"), (1, "database"), (2, "database")]
    for _ in range(3):
        assert agent.round() is None
    assert Pool.objects.get().unallocated == 27
    assert [
        _reserve(open_sale, open_sale.shopper_of(shard), open_sale.epoch(shard))
        for shard in range(3)
    ] == ["A", "A", "A"]
    assert _reserve(open_sale, open_sale.shopper_of(0, 7), open_sale.epoch(0)) == "R"


def test_a_new_agent_publishes_an_epoch_of_the_database_that_another_opened(
    open_sale, new_agent, item
):
    _switch("database")
    open_sale.settle(new_agent())
    for row in Allocation.objects.filter(state="selling"):
        inventory.begin_rearm(row.pk, "fast", "test")
    Rearm.objects.update(stage="closed")
    Allocation.objects.update(state="closed")
    Pool.objects.update(unallocated=27)
    last = max(Allocation.objects.filter(shard=1).values_list("epoch", flat=True))
    inventory.open_epoch(item.pk, 1, after=last, epoch=last + 1, source="database")
    agent = new_agent()
    agent.round()
    agent.round()
    assert (1, "database") in _published(item)


def test_back_from_the_database_the_undecided_are_known(open_sale, agent, item):
    _switch("database")
    open_sale.settle(agent)
    agent.round()
    shopper = open_sale.shopper_of(0, 7)
    assert _reserve(open_sale, shopper, open_sale.epoch(0), qty=3) == "R"
    _switch("primary")
    open_sale.open(agent)
    assert open_sale.buy(shopper, 3) == "A"
    assert open_sale.buy(shopper, 1, "more") == "L"
    rearms = [one.stage for one in inventory.open_rearms() if one.allocation.shard == 0]
    assert rearms == ["disarmed"], "its reservation is not in Kafka yet"
    open_sale.relay_database()
    open_sale.settle(agent)
    open_sale.open(agent)
    assert sum(open_sale.avails()) == 24


def test_what_kafka_lost_of_the_database_is_sent_again(open_sale, agent, item, clock):
    _switch("database")
    open_sale.settle(agent)
    agent.round()
    assert _reserve(open_sale, open_sale.shopper_of(0, 7), open_sale.epoch(0)) == "R"
    orders.mark_relayed([one.pk for one in orders.database_intents(10)])
    _switch("primary")

    def all_but_it():
        open_sale.consume()
        agent.round()
        stages = [one.stage for one in inventory.open_rearms()]
        return stages == ["barrier_sent"]

    until(all_but_it, "the others are closed")
    agent._ending._barriers._producer.flush(10)
    clock.skip(6)
    open_sale.settle(agent)
    assert inventory.conservation(item.pk).live_orders == 4


def test_a_source_without_an_address_is_said(open_sale, addresses, new_agent):
    del addresses["standby"]
    _switch("standby")
    agent = new_agent()
    agent.round()
    assert "standby" in str(agent.round())
