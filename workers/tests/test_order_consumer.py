"""Topic `reservations` → orders, events, status: with a real broker, database and cache."""

import json
import threading
from contextlib import ExitStack
from itertools import count, islice
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from django.db import connections

from control_plane.orders import projection
from control_plane.orders.models import Order, Rejection
from control_plane.snapshot.document import epoch_ms
from tests.redis.waiting import until
from workers import order_consumer
from workers.order_consumer import GROUP
from workers.runtime.clock import SystemClock
from workers.runtime.kafka import Names
from workers.runtime.verdicts import DeadLetterCap, TooManyDeadLetters
from workers.tests.consuming import all_committed, reserve, waiting_for_a_lock
from workers.tests.messages import fields, intent, reservation_id

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]


def test_reservations_become_orders_events_and_statuses(consume, broker, item, work_redis):
    shoppers = [f"shopper-{n}" for n in range(50)]
    reserve(broker, item, shoppers)
    with consume():
        all_committed(broker, 50)
    orders = {order.shopper: order for order in Order.objects.all()}
    assert sorted(orders) == sorted(shoppers)
    events = broker.events("order.created")
    assert {event["order_id"] for event in events} == {order.pk for order in orders.values()}
    event = next(event for event in events if event["shopper"] == "shopper-7")
    order = orders["shopper-7"]
    assert event == {
        "v": 1,
        "type": "order.created",
        "order_id": order.pk,
        "number": order.number,
        "reservation_id": reservation_id(item.pk, "shopper-7"),
        "item": item.pk,
        "sku": "TEA",
        "shopper": "shopper-7",
        "qty": 1,
        "amount_minor": 1999,
        "currency": "CNY",
        "at_ms": int(order.created_at.timestamp() * 1000),
    }
    status = json.loads(work_redis.get(f"reservation:{order.reservation_id}"))
    assert status == {
        "reservation_id": order.reservation_id,
        "item": item.pk,
        "qty": 1,
        "shopper": "shopper-7",
        "state": "confirmed",
        "order": order.number,
        "pay_by_ms": epoch_ms(order.pay_by),
    }
    assert 0 < work_redis.ttl(f"reservation:{order.reservation_id}") <= 2 * 24 * 3600


def test_an_event_has_the_shopper_as_its_key(consume, broker, item):
    reserve(broker, item, ["ann"])
    with consume():
        all_committed(broker, 1)
    assert [message.key() for message in broker.read(broker.names.order_events)] == [b"ann"]


def test_a_rejection_is_told_with_its_reason(consume, broker, item, work_redis):
    broker.put(broker.names.reservations, [("ann", intent(item.pk, "ann", epoch=9))])
    with consume():
        all_committed(broker, 1)
    (event,) = broker.events("reservation.rejected")
    assert (event["shopper"], event["qty"], event["reason"]) == ("ann", 1, "no_allocation")
    status = json.loads(work_redis.get(f"reservation:{event['reservation_id']}"))
    assert (status["state"], status["reason"]) == ("rejected", "no_allocation")


def test_the_topic_from_its_beginning_again_changes_nothing(consume, broker, item):
    reserve(broker, item, [f"shopper-{n}" for n in range(20)])
    with consume():
        all_committed(broker, 20)
    before = list(Order.objects.order_by("pk").values())
    reserve(broker, item, [f"shopper-{n}" for n in range(20)])
    with consume():
        all_committed(broker, 40)
    assert list(Order.objects.order_by("pk").values()) == before
    values = sorted(message.value() for message in broker.read(broker.names.order_events))
    # Each decision was told twice, in the same words.
    assert values[::2] == values[1::2]
    assert len(values) == 40


def test_a_poison_message_alone_is_dead_lettered(consume, broker, item):
    poison = b'{"v":1,"item":"seven"}'
    pairs = [(f"shopper-{n}", intent(item.pk, f"shopper-{n}")) for n in range(100)]
    pairs.insert(50, ("mallory", poison))
    broker.put(broker.names.reservations, pairs)
    with consume():
        all_committed(broker, 101)
    assert Order.objects.count() == 100
    (letter,) = broker.read(broker.names.dead_letters)
    headers = dict(letter.headers())
    assert (letter.key(), letter.value()) == (b"mallory", poison)
    assert headers["source_topic"] == broker.names.reservations.encode()
    assert headers["source_partition"].isdigit()
    assert headers["source_offset"].isdigit()
    assert b"item" in headers["error"]


def test_what_is_no_intent_at_all_is_dead_lettered(consume, broker, item):
    rubbish = [
        *(b"", b"not json", b"[]", b"null", b"\xff\xfe", b"[" * 4000),
        b'"' + b"x" * 5000 + b'"',
    ]
    pairs = [("mallory", value) for value in rubbish]
    broker.put(broker.names.reservations, [*pairs, ("ann", intent(item.pk, "ann"))])
    with consume():
        all_committed(broker, len(rubbish) + 1)
    assert Order.objects.count() == 1
    letters = broker.read(broker.names.dead_letters)
    assert [letter.value() or b"" for letter in letters] == rubbish


def test_when_most_messages_are_invalid_it_stops_and_drains_nothing(consume, broker, item):
    pairs = [(f"shopper-{n}", b"garbage") for n in range(200)]
    broker.put(broker.names.reservations, pairs)
    with pytest.raises(TooManyDeadLetters), consume(cap=DeadLetterCap(window=5)):
        until(_worker_ended, "the worker stops")
    assert broker.read(broker.names.dead_letters) == []
    assert broker.committed(GROUP, broker.names.reservations) == 0


def _worker_ended():
    return not any(thread.name == "worker under test" for thread in threading.enumerate())


def test_orders_do_not_wait_for_the_status_cache(consume, broker, item):
    nobody = redis.Redis(port=1, socket_connect_timeout=1)
    reserve(broker, item, ["ann"])
    with consume(cache=nobody):
        all_committed(broker, 1)
    assert Order.objects.count() == 1
    assert len(broker.events("order.created")) == 1


class Leaving(redis.Redis):
    """A cache behind a cut; it lives on."""

    is_away = True

    def execute_command(self, *args, **options):
        if self.is_away:
            raise redis.ConnectionError("away")
        return super().execute_command(*args, **options)


def test_a_status_that_could_not_be_written_is_written_when_nothing_comes(
    consume, broker, item, work_redis
):
    cache = Leaving(connection_pool=work_redis.connection_pool)
    reserve(broker, item, ["ann"])
    with consume(cache=cache):
        all_committed(broker, 1)
        cache.is_away = False
        key = projection.KEY_PREFIX + Order.objects.get().reservation_id
        told = until(lambda: work_redis.get(key), "the status", 60)
    assert json.loads(told)["state"] == "confirmed"


def test_who_has_forgotten_statuses_in_an_outage_has_all_of_them_written_again(
    consume, broker, item, work_redis, monkeypatch
):
    monkeypatch.setattr(order_consumer, "UNWRITTEN_MAX", 2)
    work_redis.set(projection.MARKER, "whole")
    cache = Leaving(connection_pool=work_redis.connection_pool)
    reserve(broker, item, ["ann", "bob", "cid"])
    with consume(cache=cache):
        all_committed(broker, 3)
        assert work_redis.get(projection.MARKER)
        cache.is_away = False
        until(lambda: not work_redis.get(projection.MARKER), "the mark is taken away", 60)


def test_a_batch_that_is_announced_again_in_an_outage_is_kept_once(monkeypatch):
    class Away:
        def eval(self, *_arguments):
            raise redis.ConnectionError("away")

    handler = order_consumer.OrderHandler(
        cast(Any, None), cast(Any, Away()), SystemClock(), threading.Event(), Names()
    )
    first, second = ([cast(Any, SimpleNamespace(reservation_id=name))] for name in ("ann", "bob"))
    monkeypatch.setattr(projection, "status", lambda _one: "{}")
    for batch in (first, first, first, second, second):
        handler._write_statuses(batch)
    assert [one.reservation_id for one in handler._unwritten] == ["ann", "bob"]


def test_a_status_that_could_not_be_written_is_written_with_the_next_batch(
    consume, broker, item, work_redis
):
    cache = Leaving(connection_pool=work_redis.connection_pool)
    reserve(broker, item, ["ann"])
    with consume(cache=cache):
        all_committed(broker, 1)
        cache.is_away = False
        reserve(broker, item, ["bob"])
        all_committed(broker, 2)
    for order in Order.objects.all():
        told = json.loads(work_redis.get(projection.KEY_PREFIX + order.reservation_id))
        assert told["state"] == "confirmed", order.shopper


def test_a_field_too_large_for_its_column_never_reaches_the_database(consume, broker, item):
    too_large = {"item": 2**63, "shard": 2**15, "epoch": 2**31, "qty": 2**15, "at_ms": 10**16}
    pairs = [
        ("ann", json.dumps(fields(item.pk, "ann") | {name: value}).encode())
        for name, value in too_large.items()
    ]
    broker.put(broker.names.reservations, [*pairs, ("bob", intent(item.pk, "bob"))])
    with consume():
        all_committed(broker, 6)
    assert len(broker.read(broker.names.dead_letters)) == 5
    assert (Order.objects.count(), Rejection.objects.count()) == (1, 0)


def test_a_database_session_that_is_cut_costs_nothing(consume, broker, item):
    """The consumer waits for the item's lock when its session ends; it tries the batch again."""
    reserve(broker, item, [f"shopper-{n}" for n in range(20)])
    holder, observer = (connections.create_connection("default") for _ in range(2))
    try:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT FROM inventory_pool FOR UPDATE")
        with consume():
            cut: set[int] = set()
            while len(cut) < 2:
                pid = until(lambda: waiting_for_a_lock(observer) - cut, "the consumer waits").pop()
                with observer.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
                cut.add(pid)
            holder.rollback()
            all_committed(broker, 20)
    finally:
        holder.close()
        observer.close()
    assert Order.objects.count() == 20


def test_two_consumers_share_the_work_and_make_each_order_once(consume, broker, item):
    shoppers = [f"shopper-{n}" for n in range(1100)]
    with consume(instance="one"), consume(instance="two"):
        for first in range(0, 1100, 50):
            reserve(broker, item, shoppers[first : first + 50])
        all_committed(broker, 1100)
    assert Order.objects.count() == 1000
    assert Rejection.objects.filter(reason="over_granted").count() == 100
    assert len(broker.events("order.created")) >= 1000


def test_consumers_that_come_and_go_under_load_make_each_order_once(consume, broker, item, caplog):
    """The group is shared out anew each time; the one that goes leaves batches to the others."""
    caplog.set_level("INFO", logger="workers.runtime.membership")
    shoppers = (f"shopper-{n}" for n in count())
    put = 0

    def flow_until(reached, what):
        nonlocal put

        def more():
            nonlocal put
            if put < 900:
                reserve(broker, item, list(islice(shoppers, 20)))
                put += 20
            return reached()

        until(more, what, 90)

    def orders_above(number):
        return lambda: Order.objects.count() > number

    def shared_out(times):
        return lambda: sum("revoked" in one.message for one in caplog.records) >= times

    with ExitStack() as going:
        going.enter_context(consume(instance="one"))
        flow_until(orders_above(100), "the first one works")
        with consume(instance="two"):
            flow_until(shared_out(1), "the second one has partitions of the first")
            flow_until(orders_above(200), "both work")
            with consume(instance="three"):
                flow_until(shared_out(2), "the third one has some")
                going.close()
                flow_until(orders_above(300), "two work on")
            reserve(broker, item, list(islice(shoppers, 20)))
            put += 20
            # Static members: what the gone ones had waits for the end of their session.
            until(lambda: broker.committed(GROUP, broker.names.reservations) == put, "all", 90)
    landed = list(Order.objects.values_list("shopper", flat=True))
    assert sorted(landed) == sorted(f"shopper-{n}" for n in range(put))
    events = broker.events("order.created")
    assert {one["order_id"] for one in events} == set(Order.objects.values_list("pk", flat=True))
