"""What comes after its epoch was closed, and units that are held for no order.

`units_are_conserved` (conftest) checks I1 after every test.
"""

import uuid

import pytest

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, BarrierSeen, Pool, UnusedHold
from control_plane.orders.models import Order, Rejection
from control_plane.orders.services import Intent, land

pytestmark = pytest.mark.django_db(transaction=True)


def _reasons(landed):
    return [one.reason for one in landed]


def _pool(item):
    return Pool.objects.get(item=item).unallocated


def _granted(epoch):
    return Allocation.objects.get(epoch=epoch).granted


# Late


def test_a_late_reservation_takes_its_unit_from_the_pool(item, allocation, intent, now, close):
    close(allocation)
    (landed,) = land([intent("ann")], now)
    assert (landed.reason, landed.late, landed.fresh, landed.state) == ("", True, True, "unpaid")
    assert Order.objects.get().epoch == 1
    assert _pool(item) == 9
    assert Allocation.objects.get().consumed == 0


def test_what_is_in_time_is_not_late_whether_its_epoch_sells_or_drains(
    allocation, intent, now, drain
):
    assert land([intent("ann")], now)[0].late is False
    drain(allocation)
    (landed,) = land([intent("bob")], now)
    assert (landed.reason, landed.late) == ("", False)


def test_a_repeat_of_a_late_one_takes_nothing_more(item, allocation, intent, now, close):
    close(allocation)
    (first,) = land([intent("ann")], now)
    (again,) = land([intent("ann")], now)
    assert again == first._replace(fresh=False, late=False)
    assert _pool(item) == 9


def test_with_an_empty_pool_a_late_reservation_is_refused(
    item, allocation, intent, now, close, open_epoch
):
    close(allocation)
    open_epoch(units=10)
    (landed,) = land([intent("ann")], now)
    assert (landed.reason, landed.late) == ("closed_epoch", False)
    assert (landed.order_id, landed.state, landed.pay_by) == (None, "", None)
    assert Rejection.objects.get().reason == "closed_epoch"


def test_late_ones_of_all_shards_share_the_pool_in_the_order_of_the_batch(
    item, intent, now, close, open_epoch, limit
):
    limit(5)
    for shard in range(2):
        close(open_epoch(shard, units=2))
    open_epoch(units=4)  # six are left in the pool
    batch = [
        intent("ann", shard=0, qty=4),
        intent("bob", shard=1, qty=5),
        intent("cid", shard=0, qty=1),
        intent("dan", shard=1, qty=2),
        intent("eve", shard=1, qty=1),
    ]
    landed = land(batch, now)
    assert _reasons(landed) == ["", "closed_epoch", "", "closed_epoch", ""]
    assert _pool(item) == 0


def test_late_and_other_ones_of_a_batch_land_together(item, allocation, intent, now, open_epoch):
    second = inventory.begin_rearm(allocation.pk, "fast", "test")
    for step in (("fenced", "disarmed"), ("disarmed", "drained")):
        inventory.advance(second.pk, *step)
    inventory.advance(second.pk, "drained", "barrier_sent", partitions=1)
    inventory.close_epoch(second.pk)
    open_epoch(units=6)
    batch = [intent(f"late-{n}") for n in range(5)] + [
        intent(f"new-{n}", epoch=2) for n in range(7)
    ]
    landed = land(batch, now)
    assert _reasons(landed) == [""] * 4 + ["closed_epoch"] + [""] * 6 + ["over_granted"]
    assert [one.late for one in landed[:4]] == [True] * 4
    assert not any(one.late for one in landed[4:])
    assert (_pool(item), Allocation.objects.get(epoch=2).consumed) == (0, 6)


def test_a_late_one_counts_towards_the_limit_in_its_turn(item, allocation, intent, now, close):
    close(allocation)
    landed = land([intent("ann", key="1"), intent("ann", key="2")], now)
    assert _reasons(landed) == ["", "over_limit"]
    assert _pool(item) == 9


def test_over_the_limit_comes_before_closed(item, allocation, intent, now, close, open_epoch):
    land([intent("ann", key="1")], now)
    close(allocation)
    open_epoch(units=9)
    (landed,) = land([intent("ann", key="2")], now)
    assert landed.reason == "over_limit"


# Held for nothing


def test_a_hold_over_the_limit_goes_back_to_the_pool_once(item, allocation, intent, now):
    batch = [intent("ann", key="1"), intent("ann", key="2")]
    assert _reasons(land(batch, now)) == ["", "over_limit"]
    assert (_pool(item), _granted(1)) == (1, 9)
    for _ in range(2):
        land(batch, now)
    assert (_pool(item), _granted(1)) == (1, 9)
    hold = UnusedHold.objects.get()
    assert (hold.reservation_id, hold.allocation) == (batch[1].reservation_id, allocation)


def test_a_hold_of_an_epoch_that_drains_goes_back_too(item, allocation, intent, now, drain):
    land([intent("ann", key="1")], now)
    drain(allocation)
    land([intent("ann", key="2")], now)
    assert (_pool(item), _granted(1)) == (1, 9)


def test_what_a_closed_epoch_held_is_in_the_pool_already(item, allocation, intent, now, close):
    land([intent("ann", key="1")], now)
    close(allocation)
    land([intent("ann", key="2")], now)
    assert (_pool(item), _granted(1)) == (9, 10)
    assert not UnusedHold.objects.exists()


@pytest.fixture
def second_epoch(allocation, open_epoch):
    """Epoch 1 drains with six units, epoch 2 sells four."""
    inventory.settle_reclaim(inventory.begin_reclaim(allocation.pk, 4, 0).pk, 4)
    rearm = inventory.begin_rearm(allocation.pk, "fast", "test")
    inventory.advance(rearm.pk, "fenced", "disarmed")
    return open_epoch(units=4)


def test_the_same_reservation_of_a_second_epoch_gives_its_units_back(
    item, second_epoch, intent, now
):
    (first,) = land([intent("ann")], now)
    (again,) = land([intent("ann", epoch=2)], now)
    assert again == first._replace(fresh=False)
    assert (_pool(item), _granted(1), _granted(2)) == (1, 6, 3)
    land([intent("ann", epoch=2), intent("ann")], now)
    assert (_pool(item), _granted(1), _granted(2)) == (1, 6, 3)


@pytest.mark.parametrize("epochs", [(1, 2), (2, 1)])
def test_both_in_one_batch_make_one_order_and_give_the_other_back(
    item, second_epoch, intent, now, epochs
):
    batch = [intent("ann", epoch=epoch) for epoch in epochs]
    (landed,) = land(batch, now)
    assert (landed.reason, Order.objects.get().epoch) == ("", epochs[0])
    assert _pool(item) == 1
    assert _granted(epochs[1]) == {1: 6, 2: 4}[epochs[1]] - 1
    land(batch, now)
    land(batch[::-1], now)
    assert _pool(item) == 1


def test_a_second_hold_of_a_refused_reservation_goes_back(item, second_epoch, intent, now):
    land([intent("ann", key="1")], now)
    refused = intent("ann", key="2")
    assert _reasons(land([refused], now)) == ["over_limit"]
    assert _pool(item) == 1
    assert _reasons(land([refused._replace(epoch=2)], now)) == ["over_limit"]
    assert (_pool(item), _granted(1), _granted(2)) == (2, 5, 3)


def test_a_hold_over_the_limit_in_two_epochs_of_one_batch_goes_back_from_both(
    item, second_epoch, intent, now
):
    land([intent("ann", key="1")], now)
    refused = intent("ann", key="2")
    land([refused, refused._replace(epoch=2)], now)
    assert (_pool(item), _granted(1), _granted(2)) == (2, 5, 3)


def test_an_unknown_epoch_has_nothing_to_give_back(item, allocation, intent, now):
    land([intent("ann")], now)
    land([intent("ann", epoch=7)], now)
    assert (_pool(item), _granted(1)) == (0, 10)


def test_no_more_goes_back_than_the_epoch_has_left(item, allocation, intent, now, limit):
    """Only a shard with a spoilt counter holds more than it was granted."""
    limit(10)
    land([intent("ann", qty=8)], now)
    limit(8)
    landed = land([intent("ann", key="2", qty=3), intent("bob", qty=1)], now)
    assert _reasons(landed) == ["over_limit", ""]
    assert (_pool(item), _granted(1)) == (0, 10)


def test_an_order_comes_before_a_hold_that_goes_back(item, allocation, intent, now, limit):
    limit(9)
    land([intent("ann", qty=9)], now)
    limit(1)
    landed = land([intent("ann", key="2", qty=1), intent("bob", qty=1)], now)
    assert _reasons(landed) == ["over_limit", ""]
    assert (_pool(item), _granted(1)) == (0, 10)


# Barriers


def test_barriers_count_together_with_their_batch(allocation, intent, now, drain):
    rearm = drain(allocation)
    assert not inventory.all_seen(rearm.pk)
    (landed,) = land([intent("ann")], now, [(rearm.pk, 0), (rearm.pk, 0)])
    assert landed.fresh
    assert inventory.all_seen(rearm.pk)


def test_a_barrier_alone_counts(allocation, now, drain):
    rearm = drain(allocation)
    assert land([], now, [(rearm.pk, 0)]) == []
    assert inventory.all_seen(rearm.pk)


def test_a_batch_that_fails_has_seen_no_barrier(allocation, intent, now):
    unreadable = intent("bob")._replace(shopper="x" * 65)
    with pytest.raises(Exception, match="too long"):
        land([unreadable], now, [(uuid.uuid4(), 0)])
    assert not BarrierSeen.objects.exists()


def test_an_intent_knows_its_tag(intent):
    assert isinstance(intent("ann"), Intent)
    assert intent("ann", shard=0, epoch=4).tag == (0, 4)
