"""Units move shard → pool as the script took them, once, and only while their epoch sells."""

import uuid

import pytest

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool, Reclaim

pytestmark = pytest.mark.django_db


@pytest.fixture
def allocation(open_epoch):
    return open_epoch(units=8)


def _units(item, allocation):
    allocation.refresh_from_db()
    assert services.conservation(item.pk).drift == 0
    return Pool.objects.get(item=item).unallocated, allocation.granted


def test_asking_moves_nothing(item, allocation):
    reclaim = services.begin_reclaim(allocation.pk, 5, 1)
    assert (reclaim.want, reclaim.low_water, reclaim.taken) == (5, 1, None)
    assert services.unsettled_reclaims() == [reclaim]
    assert _units(item, allocation) == (2, 8)


def test_what_was_taken_is_in_the_pool(item, allocation):
    reclaim = services.begin_reclaim(allocation.pk, 5, 1)
    assert services.settle_reclaim(reclaim.pk, 3) == 3
    assert _units(item, allocation) == (5, 5)
    assert services.unsettled_reclaims() == []
    reclaim.refresh_from_db()
    assert reclaim.taken == 3
    assert reclaim.settled_at is not None


def test_a_repeat_gives_the_first_answer_and_moves_nothing(item, allocation):
    reclaim = services.begin_reclaim(allocation.pk, 5, 1)
    services.settle_reclaim(reclaim.pk, 3)
    assert services.settle_reclaim(reclaim.pk, 3) == 3
    assert services.settle_reclaim(reclaim.pk, 0) == 3
    assert _units(item, allocation) == (5, 5)


@pytest.mark.parametrize("state", ["draining", "closed"])
def test_an_epoch_that_sells_no_more_gives_nothing_here(item, allocation, state, drain):
    reclaim = services.begin_reclaim(allocation.pk, 5, 0)
    rearm = drain(allocation)
    returned = services.close_epoch(rearm.pk) if state == "closed" else 0
    assert services.settle_reclaim(reclaim.pk, 5) == 0
    assert _units(item, allocation) == (2 + returned, 8)
    assert services.unsettled_reclaims() == []


def test_a_shard_cannot_give_back_what_was_sold(item, allocation):
    Allocation.objects.update(consumed=6)
    Pool.objects.update(total=4)  # the six orders are not in the books of this test
    reclaim = services.begin_reclaim(allocation.pk, 5, 0)
    assert services.settle_reclaim(reclaim.pk, 3) == 0
    assert _units(item, allocation) == (2, 8)
    assert services.settle_reclaim(services.begin_reclaim(allocation.pk, 5, 0).pk, 2) == 2
    assert _units(item, allocation) == (4, 6)


@pytest.mark.parametrize("state", ["draining", "closed"])
def test_only_a_selling_epoch_is_asked(allocation, state):
    Allocation.objects.update(state=state)
    with pytest.raises(services.AllocationNotSelling):
        services.begin_reclaim(allocation.pk, 1, 0)
    assert not Reclaim.objects.exists()


def test_the_database_has_nothing_to_give_back(item, open_epoch):
    services.switch_source("database", reason="test", by=None)
    with pytest.raises(services.AllocationNotSelling):
        services.begin_reclaim(open_epoch().pk, 1, 0)


@pytest.mark.parametrize(("want", "low_water"), [(0, 0), (-1, 0), (1, -1)])
def test_a_wish_for_nothing_is_refused(allocation, want, low_water):
    with pytest.raises(ValueError, match="cannot reclaim"):
        services.begin_reclaim(allocation.pk, want, low_water)


@pytest.mark.parametrize("taken", [-1, 6])
def test_more_than_was_asked_for_cannot_have_been_taken(item, allocation, taken):
    reclaim = services.begin_reclaim(allocation.pk, 5, 0)
    with pytest.raises(ValueError, match="cannot have taken"):
        services.settle_reclaim(reclaim.pk, taken)
    assert _units(item, allocation) == (2, 8)


def test_an_unknown_reclaim_is_refused(db):
    with pytest.raises(services.ReclaimUnknown):
        services.settle_reclaim(uuid.uuid4(), 0)


def test_every_reclaim_shows_in_the_movements(item, allocation):
    before = services.views([item.pk])[item.pk].movements
    services.begin_reclaim(allocation.pk, 1, 0)
    assert services.views([item.pk])[item.pk].movements == (before[0], before[1] + 1)
