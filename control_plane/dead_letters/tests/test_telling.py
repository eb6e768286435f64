"""What no order consumer decides is told all the same: the topic hears of it, and the shopper."""

from contextlib import contextmanager

import pytest
import redis
from django.contrib.auth.models import User

from control_plane.dead_letters import attempts, by_hand
from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Result, discard
from control_plane.dead_letters.tests.conftest import message
from control_plane.orders import projection
from control_plane.orders import services as orders
from control_plane.orders.models import OrderEvent, Rejection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]

_WRITE = projection.write


@pytest.fixture
def zoe(transactional_db):
    return User.objects.create(username="zoe", is_staff=True)


@pytest.fixture
def second(letter, item, now):
    """A second reservation of ann's, who may have one."""
    orders.land([orders.read_intent(message(item.pk, "ann"))], now)
    other = f"{item.pk}-0-{'z' * 22}"
    return letter(payload=message(item.pk, "ann", reservation_id=other))


def _told():
    """What the courier will send."""
    return [(one.type, one.order.reason) for one in orders.unsent_events(10)]


def test_the_topic_hears_of_a_discard_once(letter, zoe, now):
    kept = [letter("ann"), letter("ann")]
    for one in kept:
        assert discard(one.pk, "no longer wanted", zoe, now)
    assert _told() == [("reservation.rejected", "discarded")]
    event, rejection = OrderEvent.objects.get(), Rejection.objects.get()
    assert (event.order_id, event.reservation_id) == (None, rejection.reservation_id)
    # The same bytes as an order consumer's that reads the reservation again.
    assert event.created_at == rejection.created_at


def test_the_topic_hears_of_an_attempt_that_ends_over_the_limit(second, letter, attempt):
    letter(payload=bytes(second.payload))
    assert (attempt(1), attempt(1)) == (Result.DONE, Result.DONE)
    assert _told() == [("reservation.rejected", "over_limit")]


def test_the_topic_hears_of_an_order(letter, attempt):
    letter("ann")
    assert attempt(1) == Result.DONE
    assert _told() == [("order.created", "")]


@pytest.mark.parametrize("by_whom", ["person", "clock"])
def test_who_dies_before_the_letter_has_ended_has_told_nobody_and_is_repeated(
    letter, zoe, now, attempt, monkeypatch, by_whom, item
):
    kept = letter("ann", payload=message(item.pk, "ann", epoch=9))

    def run(minutes):
        if by_whom == "person":
            return discard(kept.pk, "no longer wanted", zoe, now)
        return attempt(minutes) == Result.DONE

    with monkeypatch.context() as patched:
        patched.setattr(by_hand, "_note", _die)
        patched.setattr(attempts, "note", _die)
        with pytest.raises(SystemExit):
            run(1)
    assert (Rejection.objects.count(), _told()) == (1, [])
    assert run(6)
    assert len(_told()) == 1


def _die(*_):
    raise SystemExit


@contextmanager
def _without_redis(monkeypatch):
    """The work Redis takes no connection."""
    closed = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    with monkeypatch.context() as patched:
        patched.setattr(projection, "write", _WRITE)
        patched.setattr(projection, "_work_redis", lambda: closed)
        yield


@pytest.mark.parametrize("epoch", [1, 9])
def test_neither_order_nor_rejection_waits_for_a_cache(letter, attempt, monkeypatch, item, epoch):
    """The courier writes the status as long as it takes."""
    letter(payload=message(item.pk, "ann", epoch=epoch))
    with _without_redis(monkeypatch):
        assert attempt(1) == Result.DONE
    (told,) = orders.unsent_events(10)
    assert told.order.shopper == "ann"


def test_a_discard_does_not_wait_for_a_cache(letter, zoe, now, monkeypatch):
    kept = letter("ann")
    with _without_redis(monkeypatch):
        assert discard(kept.pk, "no longer wanted", zoe, now)
    assert DeadLetter.objects.get().state == "discarded"
    assert _told() == [("reservation.rejected", "discarded")]
