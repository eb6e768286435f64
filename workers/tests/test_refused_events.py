"""A database refuses one event for its content: that one is a dead letter, and heals like one.

Of each consumer of topic `order-events`, with real Kafka and PostgreSQL.
"""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from control_plane.dead_letters.models import DeadLetter
from control_plane.orders.models import StockAnswer
from control_plane.warehouse.models import Stock, StockEntry
from control_plane.warehouse.services import stock_in
from control_plane.webhooks.models import Delivery
from tests.redis.waiting import until
from workers import compensator, replays
from workers.compensator import CompensationHandler
from workers.order_events import decided
from workers.replays import Replays
from workers.runtime import kafka, metrics
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import DeadLetterCap, TooManyDeadLetters
from workers.tests.running import in_thread
from workers.tests.test_database_cut import cut
from workers.tests.test_order_courier import ORDERS, orders

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "inventory"]),
    pytest.mark.usefixtures("endpoint"),
]
__all__ = ["orders"]

# Whose row it is not: consumer, its database, table, condition on the row of the poison order.
OF_ORDER = "NEW.order_id = {order}"
CONSUMERS = {
    "inventory-consumer": ("inventory", "warehouse_stockentry", OF_ORDER),
    "order-courier": ("default", "orders_stockanswer", OF_ORDER),
    "webhook-consumer": ("default", "webhooks_delivery", "NEW.subject = '{reservation}'"),
}
every_consumer = pytest.mark.parametrize("group", CONSUMERS)


@contextmanager
def refused(group, order, **said):
    """The consumer's database takes no row of this order; with everything=True no row at all."""
    alias, table, condition = CONSUMERS[group]
    when = condition.format(order=order.order_id, reservation=order.reservation_id)
    if said.get("everything"):
        when = "true"
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the trigger says no'; END $$;"
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW"
            f" WHEN ({when}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse()")


@pytest.fixture
def listening(broker, clock):
    """A context in which this consumer, or the compensator, runs."""

    @contextmanager
    def running(group, cap=None):
        stop = threading.Event()
        names = broker.names
        handlers = replays.handlers(broker.producer(), clock, stop, names)
        handlers[compensator.GROUP] = CompensationHandler(clock, names)
        settings = kafka.consumer_settings(broker.brokers, names.group(group), "test")
        loop = ConsumerLoop(
            kafka.connect_consumer(settings),
            names.dead_letters if group == compensator.GROUP else names.order_events,
            handlers[group],
            clock=clock,
            stop=stop,
            cap=cap,
            halt_s=0,
        )
        with in_thread(loop.run, stop):
            yield

    return running


@pytest.fixture
def again(broker, clock):
    """Attempts that are due so many minutes from now, one turn each."""
    stop = threading.Event()
    later = clock

    def turn(minutes):
        later.now = lambda: timezone.now() + timedelta(minutes=minutes)
        handlers = replays.handlers(broker.producer(), clock, stop, broker.names)
        return Replays(handlers, later, stop, Readiness(clock, [])).turn()

    return turn


def _tell(broker, orders):
    """What each of the three has to do with, of every order."""
    created = [(one.shopper, decided(one)) for one in orders]
    answer = b'{"v":1,"type":"stock.deducted","order_id":%d,"qty":1,"at_ms":1800000000000}'
    answers = [(one.shopper, answer % one.order_id) for one in orders]
    broker.put(broker.names.order_events, [*created, *answers])


def _behind(broker, group, messages, topic=None):
    topic = topic or broker.names.order_events
    until(
        lambda: broker.committed(group, topic) >= messages, f"{messages} are committed", pause_s=0.1
    )


def _done(group):
    """How many orders the consumer has dealt with."""
    rows = {
        "inventory-consumer": StockEntry.objects.filter(kind="deduct"),
        "order-courier": StockAnswer.objects.filter(kind="deducted"),
        "webhook-consumer": Delivery.objects.filter(type="order.confirmed"),
    }
    return rows[group].count()


def _kept():
    return DeadLetter.objects.values_list(
        "source", "consumer", "state", "attempts", "error_kind", "outcome"
    )


@every_consumer
def test_the_others_go_on_and_the_one_is_done_once_it_can_be(
    group, listening, again, broker, orders
):
    stock_in("TEA", 100)
    counted = metrics.DEAD_LETTERS.labels(broker.names.order_events)
    before = counted._value.get()
    with refused(group, orders[7]):
        _tell(broker, orders)
        with listening(group), listening(compensator.GROUP):
            _behind(broker, group, 2 * ORDERS)
            _behind(broker, compensator.GROUP, 1, broker.names.dead_letters)
        assert _done(group) == ORDERS - 1
        assert counted._value.get() - before == 1, "a dead letter is counted once"
        assert again(0.5) > 0, "its time has not come"
        assert again(1) == 0
        assert list(_kept()) == [("order_events", group, "pending", 1, "refused", "")]
    assert again(7) == 0
    assert list(_kept().filter(attempts=2)) == [
        ("order_events", group, "done", 2, "refused", "replayed")
    ]
    assert again(1000) > 0, "nothing is due any more"
    assert _done(group) == ORDERS
    if group == "inventory-consumer":
        assert Stock.objects.get().on_hand == 100 - ORDERS
        answered = [one["order_id"] for one in broker.events("stock.deducted")]
        assert orders[7].order_id in answered[ORDERS:] or len(answered) == 2 * ORDERS


@every_consumer
def test_what_was_done_meanwhile_is_not_done_twice(group, listening, again, broker, orders):
    """The message is read once more, by a member whose database takes it; then comes the letter."""
    stock_in("TEA", 100)
    with refused(group, orders[7]):
        _tell(broker, orders)
        with listening(group), listening(compensator.GROUP):
            _behind(broker, compensator.GROUP, 1, broker.names.dead_letters)
            _behind(broker, group, 2 * ORDERS)
    broker.rewind(group, broker.names.order_events)
    with listening(group):
        until(lambda: _done(group) == ORDERS, "all are done", pause_s=0.1)
    assert again(1) == 0
    assert _done(group) == ORDERS
    assert DeadLetter.objects.get().state == "done"
    if group == "inventory-consumer":
        assert Stock.objects.get().on_hand == 100 - ORDERS


@every_consumer
def test_a_database_that_refuses_all_stops_the_consumer_and_drains_nothing(
    group, listening, broker, orders
):
    _tell(broker, orders)
    with (
        refused(group, orders[0], everything=True),
        pytest.raises(TooManyDeadLetters),
        listening(group, DeadLetterCap(window=10)),
    ):
        until(lambda: not _runs(), "it stops", pause_s=0.1)
    # A few batches may be smaller than the window.
    assert len(broker.read(broker.names.dead_letters)) < 10
    with listening(group):
        _behind(broker, group, 2 * ORDERS)
    assert _done(group) >= ORDERS - 9


def _runs():
    return any(thread.name == "worker under test" for thread in threading.enumerate())


def test_a_warehouse_that_is_away_spends_no_attempt(listening, again, broker, orders):
    group = "inventory-consumer"
    with refused(group, orders[7]):
        _tell(broker, orders)
        with listening(group), listening(compensator.GROUP):
            _behind(broker, compensator.GROUP, 1, broker.names.dead_letters)
    with cut("inventory", 0.0):
        assert again(1) > 0
    assert list(_kept()) == [("order_events", group, "pending", 0, "unavailable", "")]
    assert again(3) == 0
    assert _done(group) == ORDERS
