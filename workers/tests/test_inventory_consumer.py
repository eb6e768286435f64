"""Topic `order-events` → the warehouse's books, with a real broker and database."""

import json

import pytest

from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from tests.redis.waiting import until
from workers.inventory_consumer import GROUP

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])


def _created(number, **changed):
    event = {
        "v": 1,
        "type": "order.created",
        "order_id": number,
        "number": f"S{number:010d}",
        "reservation_id": f"7-0-{number:022d}",
        "item": 7,
        "sku": "TEA",
        "shopper": f"shopper-{number}",
        "qty": 1,
        "amount_minor": 1999,
        "currency": "CNY",
        "at_ms": 1_800_000_000_000,
    }
    return f"shopper-{number}", json.dumps(event | changed).encode()


def _consumed(broker, messages):
    until(
        lambda: broker.committed(GROUP, broker.names.order_events) >= messages,
        f"{messages} messages committed",
        pause_s=0.1,
    )


def test_orders_leave_the_shelf_and_are_answered(consume_events, broker):
    stock_in("TEA", 100)
    broker.put(broker.names.order_events, [_created(n) for n in range(1, 21)])
    with consume_events():
        # Twenty orders, and the twenty answers in the same topic.
        _consumed(broker, 40)
    assert Stock.objects.get().on_hand == 80
    answers = broker.events("stock.deducted")
    assert sorted(answer["order_id"] for answer in answers) == list(range(1, 21))
    entry = StockEntry.objects.get(order_id=1)
    assert next(answer for answer in answers if answer["order_id"] == 1) == {
        "v": 1,
        "type": "stock.deducted",
        "order_id": 1,
        "sku": "TEA",
        "qty": 1,
        "at_ms": int(entry.created_at.timestamp() * 1000),
    }


def test_an_event_told_twice_is_deducted_once_and_answered_twice(consume_events, broker):
    stock_in("TEA", 100)
    broker.put(broker.names.order_events, [_created(1)])
    with consume_events():
        _consumed(broker, 2)
    broker.put(broker.names.order_events, [_created(1)])
    with consume_events():
        _consumed(broker, 4)
    assert Stock.objects.get().on_hand == 99
    first, second = broker.events("stock.deducted")
    assert first == second


def test_other_events_pass_by(consume_events, broker):
    other = [("ann", json.dumps({"v": 1, "type": "reservation.rejected"}).encode())]
    broker.put(broker.names.order_events, other)
    with consume_events():
        _consumed(broker, 1)
    assert not StockEntry.objects.exists()
    assert broker.read(broker.names.dead_letters) == []


def test_an_invalid_event_alone_is_dead_lettered(consume_events, broker):
    stock_in("TEA", 100)
    bad = [
        ("a", b"rubbish"),
        ("b", b'{"v":2,"type":"order.created"}'),
        ("c", b'{"v":1,"type":["order.created"]}'),
        _created(5, order_id=0),
        _created(6, qty=-1),
        _created(7, sku=""),
        _created(8, sku="x" * 65),
        _created(9, sku="a\u0000b"),
        _created(10, sku="\ud800"),
        _created(11, qty=2**31),
        _created(12, order_id=2**63),
        _created(13, order_id=True),
    ]
    broker.put(broker.names.order_events, [_created(1), *bad, _created(2)])
    with consume_events():
        _consumed(broker, len(bad) + 4)
    assert Stock.objects.get().on_hand == 98
    letters = broker.read(broker.names.dead_letters)
    assert sorted(letter.value() for letter in letters) == sorted(value for _, value in bad)
