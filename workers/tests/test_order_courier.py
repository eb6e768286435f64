"""Orders' messages leave the sale database, the warehouse's answers come back, on a real broker."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import redis
from django.db import transaction

from control_plane.inventory.models import Allocation
from control_plane.orders import projection
from control_plane.orders.models import Order, OrderEvent, StockAnswer
from control_plane.orders.services import (
    Answer,
    Intent,
    end_order,
    land,
    order_again,
    pay_order,
    record_answers,
)
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from tests.redis.waiting import until
from workers import inventory_consumer, order_courier, order_events
from workers.inventory_consumer import WarehouseHandler
from workers.order_courier import AnswerHandler, OutboxSender
from workers.runtime import kafka
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.readiness import Readiness
from workers.tests.running import in_thread

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

ORDERS = 20
DEADLINE_S = 60.0


@pytest.fixture
def consumers(broker, clock):
    """A context in which the warehouse's consumer and the courier's both run."""

    # A group of another name begins at the first message, as one whose offsets are lost.
    def loop(handler, group, stop):
        settings = kafka.consumer_settings(broker.brokers, broker.names.group(group), "test")
        return ConsumerLoop(
            kafka.connect_consumer(settings),
            broker.names.order_events,
            handler,
            clock=clock,
            stop=stop,
        )

    @contextmanager
    def running(again=""):
        stop = threading.Event()
        warehouse = WarehouseHandler(broker.producer(), clock, stop, broker.names)
        answers = AnswerHandler(broker.producer(), stop, broker.names)
        with (
            in_thread(loop(warehouse, inventory_consumer.GROUP + again, stop).run, stop),
            in_thread(loop(answers, order_courier.GROUP + again, stop).run, stop),
        ):
            yield

    return running


@pytest.fixture
def sender(broker, clock, work_redis):
    """The outbox's sender, turned by the test."""
    sender = OutboxSender(
        broker.producer(),
        work_redis,
        threading.Event(),
        readiness=Readiness(clock, []),
        names=broker.names,
    )
    yield sender
    sender._leadership.resign()


@pytest.fixture
def orders(item, allocation):
    """Twenty unpaid orders, and what the order consumer would have said about each."""
    now = datetime.now(UTC)
    at_ms = int(now.timestamp() * 1000)
    intents = [
        Intent(f"{item.pk}-0-{n:022d}", item.pk, 0, 1, f"shopper-{n}", 1, at_ms)
        for n in range(ORDERS)
    ]
    return land(intents, now)


def _created(orders):
    return [(one.shopper, order_events.decided(one)) for one in orders]


def _all_consumed(broker, messages, again=""):
    def has_read(group):
        return broker.committed(group + again, broker.names.order_events) >= messages

    def all_have():
        return has_read(inventory_consumer.GROUP) and has_read(order_courier.GROUP)

    until(all_have, f"{messages} messages are behind both", pause_s=0.1, deadline_s=DEADLINE_S)


def _books():
    return (
        Stock.objects.get().on_hand,
        StockEntry.objects.count(),
        sorted(StockAnswer.objects.values_list("order_id", "kind")),
    )


def _end_some(orders):
    """Five paid, five cancelled, five expired, five still unpaid."""
    now = datetime.now(UTC)
    for one in orders[:5]:
        assert pay_order(one.order_id, now)
    for one in orders[5:10]:
        assert end_order(one.order_id, "cancelled", now)
    for one in orders[10:15]:
        assert end_order(one.order_id, "expired", one.pay_by)


def test_what_happens_to_an_order_is_sent_once_it_is_committed(sender, orders, broker):
    _end_some(orders)
    assert OrderEvent.objects.filter(sent_at=None).count() == 15
    assert sender.turn() == 0
    assert not OrderEvent.objects.filter(sent_at=None).exists()
    for kind, some in (
        ("order.paid", orders[:5]),
        ("order.cancelled", orders[5:10]),
        ("order.expired", orders[10:15]),
    ):
        told = broker.events(kind)
        assert sorted(one["order_id"] for one in told) == [one.order_id for one in some]
        assert {(one["sku"], one["qty"], one["amount_minor"]) for one in told} == {("TEA", 1, 1999)}
    assert sender.send() == 0


def test_the_sender_writes_the_status_that_nobody_else_has_written(
    sender, orders, work_redis, monkeypatch
):
    with monkeypatch.context() as died:
        died.setattr(projection, "write_or_log", lambda *_: None)
        pay_order(orders[0].order_id, datetime.now(UTC))
    sender.turn()
    stored = work_redis.get(projection.KEY_PREFIX + orders[0].reservation_id)
    assert json.loads(stored)["state"] == "paid"


def test_a_status_is_written_when_the_work_redis_is_back_and_kafka_hears_once(
    sender, orders, broker, work_redis, monkeypatch
):
    def away(*_):
        raise redis.ConnectionError("away")

    with monkeypatch.context() as without:
        without.setattr(projection, "write", away)
        pay_order(orders[0].order_id, datetime.now(UTC))
        assert sender.turn() > 0
        assert sender.turn() > 0
        assert OrderEvent.objects.filter(sent_at=None).count() == 1
    assert sender.turn() == 0
    stored = work_redis.get(projection.KEY_PREFIX + orders[0].reservation_id)
    assert json.loads(stored)["state"] == "paid"
    assert len(broker.events("order.paid")) == 1
    assert not OrderEvent.objects.filter(sent_at=None).exists()


def test_what_late_money_bought_is_told_under_the_reservation_the_shopper_knows(
    sender, orders, work_redis, monkeypatch
):
    one = orders[0]
    Allocation.objects.update(script_sha="a" * 40)
    assert end_order(one.order_id, "expired", one.pay_by)
    with monkeypatch.context() as died:
        died.setattr(projection, "write_or_log", lambda *_: None)
        with transaction.atomic():
            order_again(one.order_id, datetime.now(UTC))
    sender.turn()
    stored = work_redis.get(projection.KEY_PREFIX + one.reservation_id)
    assert json.loads(stored)["state"] == "paid"


def test_without_kafka_events_wait_and_are_sent_later(orders, broker, clock, work_redis, sender):
    _end_some(orders)
    stop = threading.Event()
    lost = kafka.connect_producer(kafka.producer_settings("127.0.0.1:1"))
    away = OutboxSender(lost, work_redis, stop, readiness=Readiness(clock, []), names=broker.names)
    stop.set()
    assert away.turn() > 0
    away._leadership.resign()
    assert OrderEvent.objects.filter(sent_at=None).count() == 15
    sender.turn()
    assert not OrderEvent.objects.filter(sent_at=None).exists()


def test_two_couriers_send_an_event_once(sender, orders, broker, clock, work_redis):
    other = OutboxSender(
        broker.producer(),
        work_redis,
        threading.Event(),
        readiness=Readiness(clock, []),
        names=broker.names,
    )
    _end_some(orders)
    sender.turn()
    assert other.turn() > 0
    other._leadership.resign()
    assert len(broker.events("order.paid")) == 5


def test_both_sides_agree_and_a_replay_from_the_beginning_changes_nothing(
    sender, orders, consumers, broker
):
    stock_in("TEA", 100)
    broker.put(broker.names.order_events, _created(orders))
    _end_some(orders)
    sender.turn()
    # Twenty created, fifteen changed; thirty answers.
    with consumers():
        _all_consumed(broker, 65)
    before = _books()
    assert before[:2] == (90, 30)
    kinds = [kind for _, kind in before[2]]
    assert (kinds.count("deducted"), kinds.count("restored")) == (20, 10)
    OrderEvent.objects.update(sent_at=None)
    sender.turn()
    with consumers("-again"):
        # All of it again, the changes twice, and answers to them.
        _all_consumed(broker, len(broker.read(broker.names.order_events)), "-again")
        _all_consumed(broker, len(broker.read(broker.names.order_events)), "-again")
        assert _books() == before


def test_a_cancellation_that_comes_before_its_order_is_counted_all_the_same(
    sender, orders, consumers, broker
):
    stock_in("TEA", 100)
    _end_some(orders)
    sender.turn()
    with consumers():
        _all_consumed(broker, 15 + 10)
        assert (Stock.objects.get().on_hand, StockEntry.objects.count()) == (110, 10)
        broker.put(broker.names.order_events, _created(orders))
        _all_consumed(broker, 15 + 10 + 20 + 20)
    assert _books()[:2] == (90, 30)


def test_an_answer_that_is_wrong_is_a_dead_letter_of_the_couriers(consumers, broker):
    bad = [
        ("a", b'{"v":1,"type":"stock.deducted","order_id":0,"qty":1,"at_ms":1}'),
        ("b", b'{"v":1,"type":"stock.restored","order_id":1,"qty":1}'),
        ("c", b'{"v":1,"type":"stock.restored","order_id":1,"qty":1,"at_ms":99999999999999}'),
    ]
    good = [("d", b'{"v":1,"type":"stock.restored","order_id":1,"qty":1,"at_ms":1800000000000}')]
    broker.put(broker.names.order_events, [*bad, ("e", b"rubbish"), *good])
    with consumers():
        _all_consumed(broker, 5)
    letters = [
        (letter.value(), dict(letter.headers())["consumer"])
        for letter in broker.read(broker.names.dead_letters)
    ]
    # What nobody can read may be anybody's: each has a letter of its own.
    theirs = [(value, b"order-courier") for value in [*(value for _, value in bad), b"rubbish"]]
    assert sorted(letters) == sorted([*theirs, (b"rubbish", b"inventory-consumer")])
    assert list(StockAnswer.objects.values_list("order_id", "kind")) == [(1, "restored")]


def test_answers_are_kept_once_and_never_changed(db):
    at = datetime.now(UTC)
    first, second = Answer(1, "deducted", 1, at), Answer(1, "restored", 1, at)
    assert record_answers([first, second]) == 2
    assert record_answers([second, first._replace(order_id=2)]) == 1
    assert not Order.objects.exists()
