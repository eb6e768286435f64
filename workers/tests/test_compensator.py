"""From a message that nobody can use to an order, through real Kafka and PostgreSQL."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest

from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Result, retry_due
from control_plane.dead_letters.tests.refusing import orders_refused
from control_plane.inventory import services as inventory
from control_plane.orders.models import Order
from tests.redis.waiting import until
from workers import compensator, order_consumer
from workers.compensator import CompensationHandler
from workers.owed import OwedWatch
from workers.runtime import kafka, metrics
from workers.runtime.consumer import ConsumerLoop
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import DeadLetterCap, TooManyDeadLetters
from workers.tests.consuming import all_committed, reserve
from workers.tests.messages import intent, line
from workers.tests.running import in_thread
from workers.tests.test_database_cut import cut

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]


@pytest.fixture
def compensate(broker, clock):
    """A context in which a compensator runs."""

    @contextmanager
    def running():
        stop = threading.Event()
        group = broker.names.group(compensator.GROUP)
        loop = ConsumerLoop(
            kafka.connect_consumer(kafka.consumer_settings(broker.brokers, group, "test")),
            broker.names.dead_letters,
            CompensationHandler(clock, broker.names),
            clock=clock,
            stop=stop,
        )
        with in_thread(loop.run, stop):
            yield

    return running


def _all_kept(broker, letters):
    all_committed(broker, letters, compensator.GROUP, broker.names.dead_letters)


def _due(clock, minutes=1):
    """Attempts until nothing is due; what became of them."""
    results = []
    while (result := retry_due(clock.now() + timedelta(minutes=minutes))) is not None:
        results.append(result)
    return results


def test_the_database_refuses_some_orders_for_a_while_and_they_heal(
    consume, compensate, broker, item, clock
):
    shoppers = [f"shopper-{n}" for n in range(20)] + ["ann", "bob"]
    with orders_refused("shopper-%7"), consume(), compensate():
        reserve(broker, item, shoppers)
        all_committed(broker, 22)
        _all_kept(broker, 2)
        assert Order.objects.count() == 20, "the others do not wait"
        assert _due(clock) == [Result.FAILED] * 2
    assert set(DeadLetter.objects.values_list("state", "attempts")) == {("pending", 1)}
    assert _due(clock, 7) == [Result.DONE] * 2
    assert set(Order.objects.values_list("shopper", flat=True)) == set(shoppers)
    assert inventory.conservation(item.pk).drift == 0


def test_a_database_that_is_away_is_waited_for_by_everybody(
    consume, compensate, broker, item, clock
):
    """Nothing becomes a dead letter for it, none is lost, and no attempt is spent."""
    with orders_refused("ann"), consume(), compensate():
        reserve(broker, item, ["ann", "bob"])
        all_committed(broker, 2)
    with consume(), compensate():
        with cut("default"):
            reserve(broker, item, ["cid", "dee"])
            poison = [("eve", b"rubbish")]
            broker.put(broker.names.reservations, poison)
        all_committed(broker, 5)
        _all_kept(broker, 2)
    assert _due(clock) == [Result.DONE, Result.FAILED]
    assert sorted(Order.objects.values_list("shopper", flat=True)) == ["ann", "bob", "cid", "dee"]
    (poisoned,) = DeadLetter.objects.filter(state="pending")
    assert (bytes(poisoned.payload), poisoned.attempts) == (b"rubbish", 1)


def test_a_letter_is_kept_once_from_wherever_it_is_read_again(consume, compensate, broker, item):
    with consume(), compensate():
        broker.put(broker.names.reservations, [("ann", b"rubbish"), ("bob", b"rubbish")])
        all_committed(broker, 2)
        _all_kept(broker, 2)
    broker.rewind(compensator.GROUP, broker.names.dead_letters)
    with compensate():
        _all_kept(broker, 2)
    assert DeadLetter.objects.count() == 2


def test_it_names_the_place_the_message_came_from(consume, compensate, broker, item):
    with consume(), compensate():
        broker.put(broker.names.reservations, [("ann", b"rubbish")])
        _all_kept(broker, 1)
    kept = DeadLetter.objects.get()
    (message,) = broker.read(broker.names.reservations)
    assert (kept.topic, kept.partition, kept.offset) == (
        message.topic(),
        message.partition(),
        message.offset(),
    )
    assert (kept.source, kept.error_kind) == ("reservations", "invalid")
    assert "not JSON" in kept.error


def test_a_line_of_an_outbox_and_what_is_no_reservation_are_told_apart(
    compensate, broker, item, clock
):
    producer = broker.producer()
    outbox = f"{{i{item.pk}:s00:e1}}:outbox"
    for value, source in [
        (line(item.pk, "ann"), outbox),
        (b"{}", broker.names.order_events),
        (intent(item.pk, "bob"), ""),
        (b"", "\0\xff"),
    ]:
        producer.produce(
            broker.names.dead_letters, value, headers=[("source_topic", source.encode())]
        )
    assert producer.flush(10) == 0
    with compensate():
        _all_kept(broker, 4)
    kept = list(DeadLetter.objects.order_by("offset").values_list("source", "state"))
    assert kept == [
        ("outbox", "pending"),
        ("other", "exception"),
        ("other", "exception"),
        ("other", "exception"),
    ]
    assert {one.topic for one in DeadLetter.objects.all()} == {broker.names.dead_letters}
    assert _due(clock) == [Result.DONE]
    assert Order.objects.get().shopper == "ann"


@pytest.mark.parametrize(
    ("name", "partition", "offset", "is_own_place"),
    [
        (b"elsewhere", b"2147483647", b"9223372036854775807", False),
        (b"elsewhere", b"2147483648", b"5", True),
        (b"elsewhere", b"5", b"9223372036854775808", True),
        (b"elsewhere", b"9" * 5000, b"5", True),
        (b"elsewhere", b"-1", b"5", True),
        (b"elsewhere", b"\xd9\xa1", b"5", True),
        (b"x" * 249, b"5", b"5", False),
        (b"x" * 250, b"5", b"5", True),
        (b"\xff" * 250, b"5", b"5", True),
    ],
)
def test_headers_that_no_column_has_room_for_give_way_to_its_own_place(
    compensate, broker, item, name, partition, offset, is_own_place
):
    headers = [
        ("source_topic", name),
        ("source_partition", partition),
        ("source_offset", offset),
    ]
    producer = broker.producer()
    producer.produce(broker.names.dead_letters, b"rubbish", headers=headers)
    assert producer.flush(10) == 0
    with compensate():
        _all_kept(broker, 1)
    kept = DeadLetter.objects.get()
    assert kept.source_name == name.decode(errors="replace")[:249]
    if is_own_place:
        (message,) = broker.read(broker.names.dead_letters)
        own = (message.topic(), message.partition(), message.offset())
        assert (kept.topic, kept.partition, kept.offset) == own
    else:
        own = (name.decode(), int(partition), int(offset))
        assert (kept.topic, kept.partition, kept.offset) == own


def test_what_is_owed_is_counted(broker, item, clock, consume, compensate):
    with consume(), compensate():
        broker.put(broker.names.reservations, [("ann", b"rubbish"), ("bob", b"rubbish")])
        _all_kept(broker, 2)
        reserve(broker, item, ["cid"])
        all_committed(broker, 3)
    exception = DeadLetter.objects.order_by("pk")[0]
    DeadLetter.objects.filter(pk=exception.pk).update(state="exception")
    Order.objects.update(created_at=clock.now() - timedelta(minutes=10))
    watch = OwedWatch(clock, threading.Event(), Readiness(clock, []))
    watch.look()
    assert metrics.LETTERS_PENDING._value.get() == 1
    assert metrics.EXCEPTION_ORDERS._value.get() == 1
    assert metrics.LETTERS_OLDEST_SECONDS._value.get() > 0
    assert metrics.ORDERS_UNANSWERED._value.get() == 1


def test_a_consumer_that_is_wrong_about_everything_drains_no_topic_however_often_it_restarts(
    consume, broker, item
):
    """Its supervisor starts it again and again, while a few more messages come each time."""
    stopped = 0
    for restart in range(6):
        garbage = [(f"shopper-{restart}-{n}", b"garbage") for n in range(4)]
        broker.put(broker.names.reservations, garbage)
        try:
            with consume(cap=DeadLetterCap(window=10)):
                all_sent = (restart + 1) * 4
                until(partial(_ended_or_drained, broker, all_sent), "it stops, or drains all")
        except TooManyDeadLetters:
            stopped += 1
    assert stopped == 4
    # A window less one at most; what comes in one batch or in several is Kafka's affair.
    # Some may be told twice.
    drained = {letter.key() for letter in broker.read(broker.names.dead_letters)}
    assert 8 <= len(drained) < 10


def _ended_or_drained(broker, messages):
    if not any(thread.name == "worker under test" for thread in threading.enumerate()):
        return True
    return broker.committed(order_consumer.GROUP, broker.names.reservations) == messages
