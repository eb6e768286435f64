"""Every topic read again from its first message: nothing in any database changes."""

import json

import pytest

from control_plane.inventory.models import Allocation, Pool
from control_plane.orders.models import HoldRelease, LedgerEntry, Order, Rejection
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from workers import inventory_consumer, order_consumer
from workers.tests.consuming import all_committed
from workers.tests.messages import intent

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "inventory"]),
    pytest.mark.usefixtures("allocation"),
]
TABLES = (Order, Rejection, LedgerEntry, HoldRelease, Allocation, Pool, Stock, StockEntry)


def everything():
    """Every row of every table that a message may change."""
    return {table.__name__: sorted(map(str, table.objects.values_list())) for table in TABLES}


def told(broker, topic):
    """Each distinct message of a topic."""
    return {message.value() for message in broker.read(topic)}


def test_reservations_from_offset_0_change_nothing(consume, broker, item, work_redis):
    pairs = [(f"shopper-{n}", intent(item.pk, f"shopper-{n}")) for n in range(40)]
    # One over his limit, one of an epoch that never was, one that nobody understands.
    pairs += [("shopper-3", intent(item.pk, "shopper-3", key="again"))]
    pairs += [("ann", intent(item.pk, "ann", epoch=9)), ("eve", b"rubbish")]
    broker.put(broker.names.reservations, pairs)
    with consume():
        all_committed(broker, len(pairs))
    before, events = everything(), told(broker, broker.names.order_events)
    assert len(before["Order"]) == 40 and len(before["Rejection"]) == 2
    status = json.loads(events.copy().pop())["reservation_id"]
    shown = work_redis.get(f"reservation:{status}")
    broker.rewind(order_consumer.GROUP, broker.names.reservations)
    with consume():
        all_committed(broker, len(pairs))
    assert everything() == before
    assert told(broker, broker.names.order_events) == events
    assert work_redis.get(f"reservation:{status}") == shown
    assert told(broker, broker.names.dead_letters) == {b"rubbish"}


def test_order_events_from_offset_0_change_nothing(consume, consume_events, broker, item):
    stock_in("TEA", 100)
    shoppers = [f"shopper-{n}" for n in range(40)]
    broker.put(broker.names.reservations, [(one, intent(item.pk, one)) for one in shoppers])

    def deducted(messages):
        all_committed(broker, messages, inventory_consumer.GROUP, broker.names.order_events)

    with consume():
        all_committed(broker, 40)
    with consume_events():
        # The orders, and the answers to them.
        deducted(80)
    before, events = everything(), told(broker, broker.names.order_events)
    assert len(before["StockEntry"]) >= 40
    broker.rewind(inventory_consumer.GROUP, broker.names.order_events)
    with consume_events():
        deducted(120)
    assert everything() == before
    assert told(broker, broker.names.order_events) == events
    assert Stock.objects.get().on_hand == 60
