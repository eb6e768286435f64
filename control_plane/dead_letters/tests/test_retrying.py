"""Attempts at 1, 5 and 30 minutes; then a person. Units are conserved after every test."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from control_plane.dead_letters import keeping, retrying, tasks
from control_plane.dead_letters.models import DeadLetter, HistoryEntry
from control_plane.dead_letters.services import Result, retry_due
from control_plane.dead_letters.tests.conftest import message
from control_plane.orders import services as orders
from control_plane.orders.models import Order, OrderEvent, Rejection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]


def _steps():
    return list(HistoryEntry.objects.order_by("pk").values_list("step", "attempt"))


def _minutes_left(now):
    return (DeadLetter.objects.get().next_at - now).total_seconds() / 60


def test_nothing_is_tried_before_its_time(letter, attempt):
    letter()
    assert attempt(0.9) is None
    assert attempt(1) == Result.DONE
    assert attempt(100) is None, "it is done"


def test_it_lands_as_the_order_consumer_would_have(letter, attempt, item, now, statuses):
    letter("ann")
    attempt(1)
    order = Order.objects.get()
    assert (order.shopper, order.epoch, order.state) == ("ann", 1, "unpaid")
    kept = DeadLetter.objects.get()
    assert (kept.state, kept.outcome, kept.attempts) == ("done", "confirmed", 1)
    assert _steps() == [("done", 1)]
    # The warehouse and the shopper hear of it.
    event = OrderEvent.objects.get()
    assert (event.order_id, event.type, event.created_at) == (
        order.pk,
        "order.created",
        order.created_at,
    )
    assert [(one.shopper, one.state) for one in statuses] == [("ann", "unpaid")]


def test_what_landed_before_is_done_and_changes_nothing(letter, attempt, item, now):
    orders.land([orders.read_intent(message(item.pk, "ann"))], now)
    letter("ann")
    letter("ann")
    assert (attempt(1), attempt(1)) == (Result.DONE, Result.DONE)
    assert Order.objects.count() == 1
    assert OrderEvent.objects.count() == 1
    assert set(DeadLetter.objects.values_list("state", "outcome")) == {("done", "confirmed")}


def test_a_healed_database_heals_the_order_without_a_person(letter, attempt, refusing):
    letter("ann")
    with refusing("ann"):
        assert attempt(1) == Result.FAILED
        assert Order.objects.count() == 0
    assert attempt(5.9) is None
    assert attempt(6) == Result.DONE
    assert _steps() == [("failed", 1), ("done", 2)]


def test_after_the_last_attempt_it_is_an_exception_order(letter, attempt, refusing, now, caplog):
    letter("ann")
    with refusing("ann"):
        for minutes in (1, 6, 36):
            assert attempt(minutes - 0.1) is None, minutes
            assert attempt(minutes) == Result.FAILED
        assert attempt(10_000) is None
    kept = DeadLetter.objects.get()
    assert (kept.state, kept.attempts, kept.error_kind) == ("exception", 3, "refused")
    assert "the trigger says no to ann" in kept.error
    assert _steps() == [("failed", 1), ("failed", 2), ("failed", 3), ("exception", 3)]
    (critical,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert critical.kind == "exception_order"


def test_the_pauses_are_a_setting(letter, attempt, monkeypatch, now):
    monkeypatch.setattr(keeping, "pauses", lambda: [timedelta(minutes=7)])
    letter(payload=b"rubbish")
    assert attempt(6.9) is None
    assert attempt(7) == Result.FAILED
    assert DeadLetter.objects.get().state == "exception", "there is one attempt"


def test_newer_code_may_understand_it(letter, attempt, item, monkeypatch):
    letter(payload=b"news", error_kind="invalid")
    assert attempt(1) == Result.FAILED
    intent = orders.read_intent(message(item.pk, "ann"))
    monkeypatch.setattr(orders, "read_intent", lambda value: intent)
    assert attempt(6) == Result.DONE
    assert DeadLetter.objects.get().shopper == "ann"


def test_a_line_of_an_outbox_lands_too(letter, attempt, item):
    name = message(item.pk, "ann").decode().split('"')[5]
    line = f"ann {name}=1 device regular 1795348800000"
    outbox = f"{{i{item.pk}:s00:e1}}:outbox"
    letter(source="outbox", source_name=outbox, payload=line.encode())
    assert attempt(1) == Result.DONE
    assert Order.objects.get().reservation_id == name


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"payload": b"{"}, "value: not JSON"),
        ({"source": "outbox", "source_name": "outbox"}, "not the name of an outbox"),
        (
            {"source": "outbox", "source_name": "{i7:s00:e1}:outbox", "payload": b"\xff"},
            "ascii",
        ),
    ],
)
def test_what_nobody_can_read_fails_and_says_why(letter, attempt, said, error):
    letter(**said)
    assert attempt(1) == Result.FAILED
    kept = DeadLetter.objects.get()
    assert (kept.state, kept.error_kind) == ("pending", "invalid")
    assert error in kept.error


def test_a_reservation_that_does_not_fit_is_rejected_and_that_is_an_end(letter, attempt, item):
    letter("ann", payload=message(item.pk, "ann", epoch=9))
    assert attempt(1) == Result.DONE
    assert Rejection.objects.get().reason == "no_allocation"
    assert (DeadLetter.objects.get().outcome, Order.objects.count()) == ("no_allocation", 0)


def test_an_attempt_without_an_answer_is_not_counted(letter, attempt, now, monkeypatch):
    letter()

    def no_answer(batch, now):
        raise OperationalError("canceling statement due to lock timeout")

    with monkeypatch.context() as patched:
        patched.setattr(orders, "land", no_answer)
        for minutes in range(1, 10):
            assert attempt(minutes) == Result.UNAVAILABLE
    kept = DeadLetter.objects.get()
    assert (kept.state, kept.attempts, kept.error_kind) == ("pending", 0, "unavailable")
    assert _minutes_left(now) == 10
    assert attempt(10) == Result.DONE


def test_who_dies_in_an_attempt_is_followed_by_the_next_one(letter, attempt, now, monkeypatch):
    letter()
    with monkeypatch.context() as patched:
        patched.setattr(orders, "land", _die)
        for minutes in (1, 6, 36, 37):
            with pytest.raises(SystemExit):
                attempt(minutes)
    assert DeadLetter.objects.get().state == "pending"
    assert attempt(38) == Result.DONE
    assert Order.objects.count() == 1


def test_who_dies_after_landing_lands_nothing_twice(letter, attempt, monkeypatch):
    letter()
    with monkeypatch.context() as patched:
        patched.setattr(retrying, "_decided", _die)
        with pytest.raises(SystemExit):
            attempt(1)
    assert (Order.objects.count(), OrderEvent.objects.count()) == (1, 0)
    assert attempt(6) == Result.DONE
    assert (Order.objects.count(), OrderEvent.objects.count()) == (1, 1)


def _die(*_):
    raise SystemExit


def test_two_at_once_take_two_letters_and_each_lands_once(letter, at_once, now):
    for n in range(6):
        letter(f"shopper-{n}")
    later = now + timedelta(minutes=1)
    results = at_once([lambda: retry_due(later)] * 6)
    assert results == [Result.DONE] * 6
    assert Order.objects.count() == 6
    assert set(DeadLetter.objects.values_list("attempts", flat=True)) == {1}


def test_the_task_makes_all_attempts_that_are_due(letter, monkeypatch, now):
    for n in range(5):
        letter(f"shopper-{n}")
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=1))
    tasks.retry_due()
    assert Order.objects.count() == 5


def test_the_task_leaves_the_work_to_one_that_is_at_it(letter, at_once, monkeypatch, now):
    letter()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [tasks.RETRY_LOCK])
        assert at_once([tasks.retry_due]) == [None]
        assert Order.objects.count() == 0
        cursor.execute("SELECT pg_advisory_unlock(%s)", [tasks.RETRY_LOCK])
    assert at_once([tasks.retry_due]) == [None]
    assert Order.objects.count() == 1


def test_the_task_stops_where_the_database_does_not_answer(letter, monkeypatch, now):
    for n in range(5):
        letter(f"shopper-{n}")
    asked = []

    def no_answer(batch, now):
        asked.append(batch)
        raise OperationalError("lock timeout")

    monkeypatch.setattr(orders, "land", no_answer)
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=1))
    tasks.retry_due()
    assert len(asked) == 1
