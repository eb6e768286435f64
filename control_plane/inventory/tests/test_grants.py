"""Units move pool → shard, never more than there are."""

import uuid

import pytest

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Grant, Pool

pytestmark = pytest.mark.django_db


@pytest.fixture
def allocation(open_epoch):
    return open_epoch()


def _pool(item):
    return Pool.objects.get(item=item)


def test_a_grant_moves_units_from_the_pool_to_the_allocation(item, allocation):
    grant = services.begin_grant(allocation.pk, 4)
    allocation.refresh_from_db()
    assert (_pool(item).unallocated, allocation.granted, grant.qty) == (6, 4, 4)
    assert services.conservation(item.pk).drift == 0


def test_the_last_unit_can_be_granted(item, allocation):
    services.begin_grant(allocation.pk, 10)
    assert _pool(item).unallocated == 0


def test_more_than_the_pool_holds_is_refused_and_moves_nothing(item, allocation):
    with pytest.raises(services.NotEnoughUnits):
        services.begin_grant(allocation.pk, 11)
    allocation.refresh_from_db()
    assert (_pool(item).unallocated, allocation.granted, Grant.objects.count()) == (10, 0, 0)


@pytest.mark.parametrize("qty", [0, -1])
def test_a_grant_of_no_units_is_refused(item, allocation, qty):
    with pytest.raises(ValueError, match="at least one unit"):
        services.begin_grant(allocation.pk, qty)
    assert _pool(item).unallocated == 10


@pytest.mark.parametrize("state", ["draining", "closed"])
def test_an_epoch_that_sells_no_more_gets_nothing(item, allocation, state):
    Allocation.objects.filter(pk=allocation.pk).update(state=state)
    with pytest.raises(services.AllocationNotSelling):
        services.begin_grant(allocation.pk, 4)
    assert _pool(item).unallocated == 10


def test_an_epoch_of_the_database_gets_nothing_because_it_sells_from_the_pool(item, open_epoch):
    services.switch_source("database", reason="test", by=None)
    with pytest.raises(services.AllocationNotSelling):
        services.begin_grant(open_epoch().pk, 4)
    assert _pool(item).unallocated == 10


def test_every_grant_shows_in_the_movements(item, allocation):
    before = services.views([item.pk])[item.pk].movements
    services.begin_grant(allocation.pk, 1)
    assert services.views([item.pk])[item.pk].movements == (before[0] + 1, before[1])


def test_an_unknown_allocation_gets_nothing(item):
    with pytest.raises(services.AllocationNotSelling):
        services.begin_grant(0, 4)


def test_a_grant_is_pending_until_it_was_applied(item, allocation):
    first = services.begin_grant(allocation.pk, 1)
    second = services.begin_grant(allocation.pk, 2)
    assert services.pending_grants(allocation.pk) == [first, second]
    assert services.mark_grant_applied(first.pk) is True
    assert services.pending_grants(allocation.pk) == [second]


def test_applying_again_keeps_the_first_time(item, allocation):
    grant = services.begin_grant(allocation.pk, 1)
    services.mark_grant_applied(grant.pk)
    grant.refresh_from_db()
    first = grant.applied_at
    assert services.mark_grant_applied(grant.pk) is False
    grant.refresh_from_db()
    assert grant.applied_at == first


def test_applying_an_unknown_grant_is_refused(db):
    with pytest.raises(services.GrantUnknown):
        services.mark_grant_applied(uuid.uuid4())
