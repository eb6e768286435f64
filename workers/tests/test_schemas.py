"""Whoever writes a message writes what its schema says, and whoever reads it takes nothing else."""

import json
import uuid
from typing import Any

import pytest

from control_plane.orders.wish import parse
from control_plane.warehouse.services import stock_in
from workers import barrier, inventory_consumer, order_events
from workers.intent import message_of
from workers.runtime.verdicts import InvalidMessage
from workers.tests import schema
from workers.tests.consuming import all_committed
from workers.tests.messages import fields, intent, line
from workers.tests.selling import sell

RESERVATIONS, EVENTS = schema.load("reservations.v1"), schema.load("order-events.v1")
SHOPPERS = ["ann", "b.o_b:7", "x" * 64]

in_databases = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])


def faults_of(messages, of):
    return [fault for one in messages for fault in schema.faults(json.loads(one.value()), of)]


@in_databases
def test_the_relay_writes_reservations_as_their_schema_says(new_relay, cluster, shard, broker):
    assert sell(cluster, shard, SHOPPERS) == "RRR"
    relay = new_relay()
    while not relay.turn([shard]):
        pass
    relay.finish()
    messages = broker.read(broker.names.reservations)
    assert len(messages) == len(SHOPPERS)
    assert faults_of(messages, RESERVATIONS) == []


def test_what_postgresql_reserves_is_written_as_the_schema_says():
    lines = [line(7, shopper).decode() for shopper in SHOPPERS]
    wish = parse(json.dumps({"item": 7, "shard": 0, "epoch": 3, "lines": lines}).encode())
    for request in wish.requests:
        assert schema.faults(json.loads(request.value), RESERVATIONS) == []


def test_the_agents_barrier_is_written_as_the_schema_says():
    value = json.loads(barrier.encode(uuid.uuid4(), 7, 0, 3))
    assert schema.faults(value, RESERVATIONS) == []
    assert schema.faults(value | {"more": 1}, RESERVATIONS)


@in_databases
@pytest.mark.usefixtures("allocation")
def test_both_consumers_write_events_as_their_schema_says(consume, consume_events, broker, item):
    stock_in("TEA", 100)
    pairs = [(one, intent(item.pk, one)) for one in SHOPPERS]
    pairs += [
        ("ann", intent(item.pk, "ann", key="again")),
        ("eve", intent(item.pk, "eve", epoch=9)),
    ]
    broker.put(broker.names.reservations, pairs)
    with consume():
        all_committed(broker, len(pairs))
    with consume_events():
        all_committed(broker, 8, inventory_consumer.GROUP, broker.names.order_events)
    messages = broker.read(broker.names.order_events)
    kinds = sorted({json.loads(one.value())["type"] for one in messages})
    assert kinds == ["order.created", "reservation.rejected", "stock.deducted"]
    assert faults_of(messages, EVENTS) == []


WRONG: dict[str, list[Any]] = {
    "v": [2, "1", True, None],
    "reservation_id": ["", "7-0-short", "07-0-" + "a" * 22, 5],
    "item": [0, 2**63, "7", 7.0, True],
    "shard": [-1, 2**15, None],
    "epoch": [0, 2**31],
    "shopper": ["", "x" * 65, "a b", 7],
    "qty": [0, -1, 2**15, 1.5, "1"],
    "at_ms": [0, 10**16, "now"],
}


@pytest.mark.parametrize(("name", "value"), [(k, v) for k, all_ in WRONG.items() for v in all_])
def test_reader_and_schema_refuse_the_same_values(name, value):
    good = fields(7, "ann")
    assert schema.faults(good, RESERVATIONS) == []
    bad = good | {name: value}
    assert schema.faults(bad, RESERVATIONS)
    with pytest.raises(InvalidMessage):
        message_of(json.dumps(bad).encode(), 0)


@pytest.mark.parametrize("name", WRONG)
def test_reader_and_schema_miss_the_same_fields(name):
    bad = fields(7, "ann")
    del bad[name]
    assert schema.faults(bad, RESERVATIONS)
    with pytest.raises(InvalidMessage):
        message_of(json.dumps(bad).encode(), 0)


@pytest.mark.parametrize("kind", order_events.MOVEMENTS)
def test_an_event_that_the_warehouse_reads_is_one_of_the_schema(kind):
    event = {
        "v": 1,
        "type": kind,
        "order_id": 5,
        "number": "S0000000005",
        "reservation_id": "7-0-" + "a" * 22,
        "item": 7,
        "sku": "茶",
        "shopper": "ann",
        "qty": 1,
        "amount_minor": 1999,
        "currency": "CNY",
        "at_ms": 1_800_000_000_000,
    }
    assert schema.faults(event, EVENTS) == []
    assert order_events.read_movement(json.dumps(event).encode())
    for name, value in (("order_id", 0), ("sku", ""), ("qty", 0), ("shopper", ""), ("v", 2)):
        assert schema.faults(event | {name: value}, EVENTS)
        with pytest.raises(InvalidMessage):
            order_events.read_movement(json.dumps(event | {name: value}).encode())


def test_a_keyword_that_is_not_checked_is_an_error():
    with pytest.raises(KeyError):
        schema.faults(5, {"multipleOf": 2})
