"""A rejection that no order consumer decides is told all the same: to merchant and shopper."""

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from django.contrib.auth.models import User

from control_plane.dead_letters import by_hand, retrying
from control_plane.dead_letters.models import HistoryEntry
from control_plane.dead_letters.services import Result, discard, retry_due
from control_plane.dead_letters.tests.conftest import message
from control_plane.orders import projection
from control_plane.orders import services as orders
from control_plane.orders.models import OrderEvent, Rejection
from control_plane.webhooks.models import ORDER_TYPES, Delivery, Endpoint

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]

_WRITE = projection.write


@pytest.fixture(autouse=True)
def endpoint(item, now):
    return Endpoint.objects.create(
        merchant=item.campaign.merchant,
        url="https://shop.example/hooks",
        events=list(ORDER_TYPES),
        created_at=now - timedelta(hours=1),
    )


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
    return [(one.type, json.loads(one.body)["data"]["reason"]) for one in Delivery.objects.all()]


def test_a_merchant_hears_of_a_discard_once(letter, zoe, now):
    kept = [letter("ann"), letter("ann")]
    for one in kept:
        assert discard(one.pk, "no longer wanted", zoe, now)
    assert _told() == [("order.rejected", "discarded")]
    assert Delivery.objects.get().subject == Rejection.objects.get().reservation_id


def test_a_merchant_hears_of_an_attempt_that_ends_over_the_limit(second, letter, attempt):
    letter(payload=bytes(second.payload))
    assert (attempt(1), attempt(1)) == (Result.DONE, Result.DONE)
    assert _told() == [("order.rejected", "over_limit")]


def test_an_order_is_told_by_the_topic_alone(letter, attempt):
    letter("ann")
    assert attempt(1) == Result.DONE
    assert OrderEvent.objects.get().type == "order.created"
    assert Delivery.objects.count() == 0


@pytest.mark.parametrize("module", [by_hand, retrying])
def test_who_dies_before_the_letter_has_ended_has_told_nobody_and_is_repeated(
    letter, zoe, now, attempt, monkeypatch, module, item
):
    kept = letter("ann", payload=message(item.pk, "ann", epoch=9))

    def run(minutes):
        if module is by_hand:
            return discard(kept.pk, "no longer wanted", zoe, now)
        return attempt(minutes) == Result.DONE

    with monkeypatch.context() as patched:
        patched.setattr(module, "_note", _die)
        with pytest.raises(SystemExit):
            run(1)
    assert (Rejection.objects.count(), Delivery.objects.count()) == (1, 0)
    assert run(6)
    assert Delivery.objects.count() == 1


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


def test_a_rejection_waits_until_its_shopper_can_see_it(
    letter, attempt, statuses, monkeypatch, item
):
    kept = letter(payload=message(item.pk, "ann", epoch=9))
    with _without_redis(monkeypatch):
        for minutes in range(1, 6):
            assert attempt(minutes) == Result.UNAVAILABLE
    kept.refresh_from_db()
    assert (kept.state, kept.attempts, kept.error_kind) == ("pending", 0, "unavailable")
    assert "status not written" in kept.error
    assert attempt(6) == Result.DONE
    assert [(one.shopper, one.reason) for one in statuses] == [("ann", "no_allocation")]
    assert _told() == [("order.rejected", "no_allocation")]


def test_the_clock_ends_a_discard_whose_shopper_could_not_see_it(
    letter, zoe, now, statuses, monkeypatch
):
    kept = letter("ann")
    with _without_redis(monkeypatch):
        assert discard(kept.pk, "no longer wanted", zoe, now)
    assert _told() == [("order.rejected", "discarded")]
    assert HistoryEntry.objects.get().text == "no longer wanted"
    assert retry_due(now) == Result.DONE
    kept.refresh_from_db()
    assert (kept.state, kept.outcome) == ("done", "discarded")
    assert [(one.shopper, one.reason) for one in statuses] == [("ann", "discarded")]
    assert Delivery.objects.count() == 1


def test_an_order_does_not_wait_for_a_cache(letter, attempt, monkeypatch):
    letter("ann")
    with _without_redis(monkeypatch):
        assert attempt(1) == Result.DONE
    assert OrderEvent.objects.count() == 1
