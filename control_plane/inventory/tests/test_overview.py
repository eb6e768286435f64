"""What the agent plans by is of one moment and says where units may be that nobody sees."""

import pytest

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool, Rearm

pytestmark = pytest.mark.django_db


def _view(item):
    return services.views([item.pk])[item.pk]


def test_it_is_one_statement_for_all_items(item, open_epoch, django_assert_num_queries):
    for shard in range(3):
        open_epoch(shard, units=1)
    with django_assert_num_queries(1):
        assert list(services.views([item.pk, 0])) == [item.pk]
    with django_assert_num_queries(0):
        assert services.views([]) == {}


def test_a_fresh_item_has_nothing_but_its_pool(item):
    view = _view(item)
    assert (view.unallocated, view.selling, view.last_epoch) == (10, {}, {})
    assert (view.under_way, view.movements, view.waiting_withdrawals) == (False, (0, 0), 0)


def test_it_shows_what_sells_and_the_last_epoch_of_each_shard(item, open_epoch, close):
    close(open_epoch(0, units=2))
    first, second = open_epoch(0, units=4), open_epoch(1)
    close(open_epoch(2))
    services.claim_life(first.pk, "b" * 40)
    services.record_armed(first.pk, "a" * 40)
    Allocation.objects.filter(pk=first.pk).update(consumed=1)
    view = _view(item)
    assert view.last_epoch == {0: 2, 1: 1, 2: 1}
    assert view.selling == {
        0: services.AllocationView(first.pk, 0, 2, "primary", "b" * 40, "a" * 40, 4, 1),
        1: services.AllocationView(second.pk, 1, 1, "primary", "", "", 0, 0),
    }
    assert view.selling[0].leftover == 3


def test_a_grant_is_under_way_until_it_was_applied(item, open_epoch):
    grant = services.begin_grant(open_epoch().pk, 1)
    assert _view(item).under_way
    services.mark_grant_applied(grant.pk)
    assert not _view(item).under_way


def test_a_grant_that_its_epoch_did_not_live_to_see_went_back(item, open_epoch, close):
    close(open_epoch(units=3))
    assert not _view(item).under_way


def test_a_reclaim_is_under_way_until_it_was_settled(item, open_epoch, drain):
    allocation = open_epoch()
    reclaim = services.begin_reclaim(allocation.pk, 1, 0)
    assert _view(item).under_way
    drain(allocation)
    assert _view(item).under_way
    services.settle_reclaim(reclaim.pk, 0)
    assert not _view(item).under_way


def test_the_leftover_of_an_old_epoch_is_under_way(item, open_epoch, drain):
    allocation = open_epoch(units=2)
    services.mark_grant_applied(services.pending_grants(allocation.pk)[0].pk)
    assert not _view(item).under_way
    rearm = drain(allocation)
    assert _view(item).under_way
    services.close_epoch(rearm.pk)
    assert not _view(item).under_way


def test_an_old_epoch_without_leftover_is_not(item, open_epoch):
    allocation = open_epoch(units=2)
    services.mark_grant_applied(services.pending_grants(allocation.pk)[0].pk)
    Allocation.objects.update(state="draining", consumed=2)
    Pool.objects.update(total=8)
    Rearm.objects.create(allocation=allocation, mode="full", reason="test")
    assert not _view(item).under_way


def test_items_are_seen_apart(item, approved, open_epoch, now):
    services.begin_grant(open_epoch().pk, 1)
    other = approved.items.create(sku="CUP", title="Cup", units=5, price_minor=500)
    services.open_pool(other)
    assert not _view(other).under_way
    assert _view(other).unallocated == 5
