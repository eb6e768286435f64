"""A worker is killed at each point between its steps; its successor makes the books right."""

from contextlib import contextmanager

import pytest

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.orders.models import LedgerEntry, Order
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from tests.race.crash_at import POINTS
from tests.redis.waiting import until
from workers import inventory_consumer, order_consumer
from workers.stock.keys import RELAY_GROUP, Shard
from workers.tests import running
from workers.tests.messages import intent
from workers.tests.selling import arm, sell

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

SHOPPERS = [f"shopper-{n}" for n in range(30)]
DEADLINE_S = 60


@pytest.fixture
def successor(broker):
    """A context in which a healthy worker of this kind runs."""

    @contextmanager
    def run(module):
        environ = running.environment(broker.names)
        with running.as_process(f"workers.{module}", environ) as process:
            yield process

    return run


def _points(worker):
    return [point for point, (module, _, _) in POINTS.items() if module == worker]


def _eventually(look, what):
    return until(look, what, deadline_s=DEADLINE_S, pause_s=0.1)


@pytest.mark.parametrize("point", _points("order_consumer"))
def test_each_reservation_becomes_exactly_one_order(point, die_at, successor, broker, item):
    allocation = inventory.open_allocation(item.pk, 0)
    inventory.begin_grant(allocation.pk, 1000)
    pairs = [(name, intent(item.pk, name)) for name in SHOPPERS]
    broker.put(broker.names.reservations, pairs)
    die_at(point)
    assert broker.committed(order_consumer.GROUP, broker.names.reservations) == 0
    with successor("order_consumer"):
        _eventually(
            lambda: broker.committed(order_consumer.GROUP, broker.names.reservations) == 30,
            "all is committed",
        )
    assert sorted(order.shopper for order in Order.objects.all()) == sorted(SHOPPERS)
    assert LedgerEntry.objects.count() == 30
    assert Allocation.objects.get().consumed == 30
    assert inventory.conservation(item.pk).drift == 0
    told = {event["order_id"] for event in broker.events("order.created")}
    assert told == set(Order.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("point", _points("inventory_consumer"))
def test_each_order_is_deducted_exactly_once(point, die_at, successor, broker, item):
    stock_in("TEA", 100)
    allocation = inventory.open_allocation(item.pk, 0)
    inventory.begin_grant(allocation.pk, 1000)
    pairs = [(name, intent(item.pk, name)) for name in SHOPPERS]
    broker.put(broker.names.reservations, pairs)
    with successor("order_consumer"):
        _eventually(lambda: len(broker.events("order.created")) == 30, "all orders are told")
    die_at(point)
    with successor("inventory_consumer"):
        _eventually(
            lambda: broker.committed(inventory_consumer.GROUP, broker.names.order_events) >= 60,
            "all is committed",
        )
    assert Stock.objects.get().on_hand == 70
    assert StockEntry.objects.count() == 30
    told = {event["order_id"] for event in broker.events("stock.deducted")}
    assert told == set(Order.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("point", _points("relay"))
def test_no_intent_is_lost(point, die_at, successor, broker, item, cluster):
    allocation = inventory.open_allocation(item.pk, 0)
    shard = Shard(item.pk, 0, allocation.epoch)
    arm(cluster, shard)
    for first in range(0, 30, 10):
        assert sell(cluster, shard, SHOPPERS[first : first + 10]) == "R" * 10
    written = _intents(cluster, shard)
    die_at(point)
    with successor("relay"):
        _eventually(lambda: _relayed(cluster, shard), "all is acknowledged")
    delivered = [message.value() for message in broker.read(broker.names.reservations)]
    assert set(delivered) == set(written)
    if point == "relay after delivery":
        # The control: without the first relay's delivery there would be no duplicate.
        assert len(delivered) > len(written)


@pytest.mark.parametrize("point", _points("stock_agent"))
def test_each_unit_reaches_the_shard_exactly_once(point, die_at, successor, item, cluster):
    die_at(point)
    with successor("stock_agent"):
        _eventually(_published_and_granted, "the shard is published")
    allocation = Allocation.objects.get()
    shard = Shard(item.pk, 0, allocation.epoch)
    node = cluster.node_of(shard)
    assert allocation.epoch == 1
    assert int(node.get(shard.avail)) == allocation.granted == 1000
    assert sum(int(qty) for qty in node.hvals(shard.grants)) == 1000
    assert inventory.conservation(item.pk).drift == 0
    assert sell(cluster, shard, ["ann"]) == "R"


def _published_and_granted():
    allocation = Allocation.objects.first()
    if allocation is None or not allocation.script_sha:
        return False
    return not inventory.pending_grants(allocation.pk)


def _intents(cluster, shard):
    entries = cluster.node_of(shard).xrange(shard.outbox)
    return [line for _, fields in entries for line in fields[b"intents"].split(b"\n")]


def _relayed(cluster, shard):
    node = cluster.node_of(shard)
    (group,) = node.xinfo_groups(shard.outbox)
    pending = node.xpending(shard.outbox, RELAY_GROUP)["pending"]
    return pending == 0 and group["lag"] == 0
