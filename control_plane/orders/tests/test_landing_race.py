"""Batches that land at the same moment. In the control the locks are taken in the batch's order."""

import threading
import time

import pytest
from django.db import OperationalError, connections

from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from control_plane.orders import landing
from control_plane.orders.models import Order
from control_plane.orders.services import land
from control_plane.orders.undisputed import land_undisputed

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20
DEADLINE_S = 30


@pytest.fixture
def second_item(item, open_epoch):
    other = Item.objects.create(
        campaign=item.campaign, sku="CUP", title="Cup", units=ROUNDS * 4, price_minor=500
    )
    inventory.open_pool(other)
    open_epoch(of=other, units=ROUNDS * 4)
    return other


def test_overlapping_batches_make_each_order_once(allocation, intent, now, at_once):
    batch = [intent(f"shopper-{n}") for n in range(14)]
    outcomes = at_once(
        [
            lambda: land(batch[:10], now),
            lambda: land(batch[9:3:-1], now),
            lambda: land(batch[4:], now),
            lambda: land(batch[::-1], now),
        ]
    )
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert Order.objects.count() == 10
    answers: dict[str, int | None] = {}
    for one in (one for outcome in outcomes for one in outcome):
        assert answers.setdefault(one.reservation_id, one.order_id) == one.order_id
    assert sum(one.fresh for outcome in outcomes for one in outcome) == 14


def test_a_shopper_in_two_batches_stays_within_the_limit(allocation, intent, now, at_once):
    batches = [[intent("ann", key=str(n))] for n in range(6)]
    outcomes = at_once([lambda batch=batch: land(batch, now) for batch in batches])
    reasons = sorted(outcome[0].reason for outcome in outcomes)
    assert reasons == ["", *["over_limit"] * 5]


def _opposite(intent, item, other, round_number):
    mine = intent(f"ann-{round_number}", item=item.pk)
    theirs = intent(f"bob-{round_number}", item=other.pk)
    return [mine, theirs], [theirs, mine]


def test_batches_in_opposite_order_do_not_deadlock(
    allocation, second_item, intent, now, at_once, item
):
    for number in range(ROUNDS):
        one, two = _opposite(intent, item, second_item, number)
        outcomes = at_once([lambda: land(one, now), lambda: land(two, now)])  # noqa: B023
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def test_control_locks_in_the_order_of_the_batch_deadlock(
    allocation, second_item, intent, now, at_once, item, monkeypatch
):
    """The first lock is held until both have one; with sorted locks the second landing waits."""
    both_hold_one = threading.Barrier(2)
    one, two = _opposite(intent, item, second_item, 0)

    def lock_as_it_comes(cursor, waiting, now):
        for number, wanted in enumerate(waiting.values()):
            cursor.execute(
                "SELECT FROM inventory_pool WHERE item_id = %s FOR NO KEY UPDATE", [wanted.item]
            )
            if number == 0:
                both_hold_one.wait(DEADLINE_S)
        return land_undisputed(cursor, waiting, now)

    monkeypatch.setattr(landing, "land_undisputed", lock_as_it_comes)
    outcomes = at_once([lambda: land(one, now), lambda: land(two, now)])
    errors = [outcome for outcome in outcomes if isinstance(outcome, OperationalError)]
    assert len(errors) == 1
    assert "deadlock detected" in str(errors[0])


def test_a_landing_that_waits_for_a_lock_sees_what_was_decided_meanwhile(
    allocation, intent, now, at_once, monkeypatch
):
    batch = [intent(f"shopper-{n}") for n in range(10)]
    later_batch = [*batch, intent("late")]
    first_has_decided = threading.Event()

    def hold_the_first(cursor, waiting, now):
        decided = land_undisputed(cursor, waiting, now)
        if len(waiting) == len(batch):
            first_has_decided.set()
            _wait_until_somebody_waits_for_a_lock()
        return decided

    def land_later():
        assert first_has_decided.wait(DEADLINE_S)
        return land(later_batch, now)

    monkeypatch.setattr(landing, "land_undisputed", hold_the_first)
    first, second = at_once([lambda: land(batch, now), land_later])
    assert [one.order_id for one in second[:10]] == [one.order_id for one in first]
    assert second[10].reason == "over_granted"


def _wait_until_somebody_waits_for_a_lock():
    deadline = time.monotonic() + DEADLINE_S
    observer = connections.create_connection("default")
    try:
        while time.monotonic() < deadline:
            with observer.cursor() as cursor:
                cursor.execute(
                    "SELECT FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
                if cursor.fetchone() is not None:
                    return
    finally:
        observer.close()
    raise AssertionError("nobody waited for a lock")
