"""Retry now and discard, and the races of both. Units are conserved after every test."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from control_plane.dead_letters import by_hand
from control_plane.dead_letters.models import DeadLetter, HistoryEntry
from control_plane.dead_letters.services import (
    AlreadyOrdered,
    Result,
    discard,
    retry_due,
    retry_now,
)
from control_plane.dead_letters.tests.conftest import message
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders import services as orders
from control_plane.orders.models import HoldRelease, Order, OrderEvent, Rejection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]


@pytest.fixture
def zoe(transactional_db):
    return User.objects.create(username="zoe", is_staff=True)


def _history():
    entries = HistoryEntry.objects.order_by("pk")
    return list(entries.values_list("step", "text", "by__username"))


def test_who_asks_does_not_wait_for_the_next_attempt(letter, zoe, now):
    kept = letter()
    assert retry_due(now) is None
    assert retry_now(kept.pk, "the schema is mended", zoe, now)
    assert retry_due(now) == Result.DONE
    assert _history()[0] == ("asked", "the schema is mended", "zoe")


def test_an_exception_order_gets_one_more_attempt(letter, zoe, now, refusing):
    kept = letter()
    DeadLetter.objects.update(state="exception", attempts=3)
    with refusing("ann"):
        assert retry_now(kept.pk, "perhaps now", zoe, now)
        assert retry_due(now) == Result.FAILED
    kept.refresh_from_db()
    assert (kept.state, kept.attempts) == ("exception", 3)
    assert retry_now(kept.pk, "it is mended", zoe, now)
    assert retry_due(now) == Result.DONE


@pytest.mark.parametrize("state", ["done", "discarded"])
def test_what_has_ended_is_neither_tried_nor_discarded(letter, zoe, now, state):
    kept = letter()
    DeadLetter.objects.update(state=state, finished_at=now)
    assert not retry_now(kept.pk, "again", zoe, now)
    assert not discard(kept.pk, "again", zoe, now)
    assert (_history(), Rejection.objects.count()) == ([], 0)


def test_a_reservation_that_is_discarded_is_rejected_and_its_unit_is_free(
    letter, zoe, now, statuses
):
    kept = letter("ann")
    assert discard(kept.pk, "the shopper was refunded", zoe, now)
    kept.refresh_from_db()
    assert (kept.state, kept.outcome, kept.finished_at) == ("discarded", "discarded", now)
    assert Rejection.objects.get().reason == "discarded"
    # Its shard counts it no more, and its unit can be sold.
    assert HoldRelease.objects.get().shopper == "ann"
    assert Allocation.objects.get().granted == 9
    assert Pool.objects.get().unallocated == 1
    assert [(one.shopper, one.reason) for one in statuses] == [("ann", "discarded")]
    assert _history() == [("discarded", "the shopper was refunded", "zoe")]


def test_a_discarded_reservation_stays_so_whoever_lands_it_later(letter, zoe, now, item):
    kept = letter("ann")
    discard(kept.pk, "no longer wanted", zoe, now)
    (landed,) = orders.land([orders.read_intent(message(item.pk, "ann"))], now)
    assert (landed.reason, landed.fresh) == ("discarded", False)
    assert (Order.objects.count(), Pool.objects.get().unallocated) == (0, 1)


def test_what_is_an_order_meanwhile_is_not_discarded(letter, zoe, now, item):
    kept = letter("ann")
    orders.land([orders.read_intent(message(item.pk, "ann"))], now)
    with pytest.raises(AlreadyOrdered) as caught:
        discard(kept.pk, "no longer wanted", zoe, now)
    assert caught.value.number == Order.objects.get().number
    kept.refresh_from_db()
    assert (kept.state, kept.outcome) == ("done", "confirmed")
    assert OrderEvent.objects.get().type == "order.created"
    # The units are the order's: the shard must not lose another one for it.
    assert (Allocation.objects.get().granted, Pool.objects.get().unallocated) == (10, 0)
    assert Rejection.objects.count() == 0


def test_what_nobody_can_read_is_discarded_alone(letter, zoe, now):
    kept = letter(payload=b"rubbish")
    assert discard(kept.pk, "somebody's experiment", zoe, now)
    kept.refresh_from_db()
    assert (kept.state, kept.outcome) == ("discarded", "")
    assert Rejection.objects.count() == 0


def test_who_dies_between_the_rejection_and_the_letter_is_repeated(letter, zoe, now, monkeypatch):
    kept = letter("ann")

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(by_hand, "_finish", die)
        with pytest.raises(SystemExit):
            discard(kept.pk, "no longer wanted", zoe, now)
    assert discard(kept.pk, "no longer wanted", zoe, now)
    assert Pool.objects.get().unallocated == 1, "the unit came back once"


def test_of_an_attempt_and_a_discard_at_once_one_wins(letter, zoe, now, at_once):
    for n in range(9):
        kept = letter(f"shopper-{n}")
        retry_now(kept.pk, "now", zoe, now)
        at_once(
            [
                lambda: retry_due(now),
                lambda pk=kept.pk: discard(pk, "not wanted", zoe, now),
            ]
        )
        kept.refresh_from_db()
        ordered = Order.objects.filter(shopper=kept.shopper).exists()
        rejected = Rejection.objects.filter(shopper=kept.shopper).exists()
        assert ordered != rejected, kept
        if kept.state == "pending":
            # The attempt saw the row of before; what was decided it learns with the next one.
            retry_due(now + timedelta(hours=1))
            kept.refresh_from_db()
        assert kept.state == "done" if ordered else kept.state in ("done", "discarded")
