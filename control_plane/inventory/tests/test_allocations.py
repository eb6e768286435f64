"""One open allocation a shard, its epoch counted up, its arming told to the gateways."""

import pytest

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

SHA = "0123456789abcdef0123456789abcdef01234567"


def _shards(item):
    return Snapshot.objects.latest("version").document["items"][str(item.pk)]["shards"]


def test_opening_the_pool_again_keeps_it(item):
    Pool.objects.filter(item=item).update(unallocated=3)
    assert services.open_pool(item).unallocated == 3


def test_the_first_epoch_is_one(item):
    allocation = services.open_allocation(item.pk, shard=0)
    assert (allocation.epoch, allocation.granted, allocation.closed) == (1, 0, False)


def test_a_repeat_gives_the_open_allocation(item):
    first = services.open_allocation(item.pk, shard=0)
    assert services.open_allocation(item.pk, shard=0) == first
    assert Allocation.objects.count() == 1


def test_after_closing_the_next_epoch_opens(item):
    first = services.open_allocation(item.pk, shard=0)
    Allocation.objects.filter(pk=first.pk).update(closed=True)
    assert services.open_allocation(item.pk, shard=0).epoch == 2


def test_shards_count_their_epochs_apart(item):
    services.open_allocation(item.pk, shard=0)
    assert services.open_allocation(item.pk, shard=1).epoch == 1


def test_an_item_without_a_pool_has_no_allocation(draft):
    with pytest.raises(services.NoPool):
        services.open_allocation(draft.items.get().pk, shard=0)


def test_gateways_hear_of_a_shard_when_it_is_armed(item):
    allocation = services.open_allocation(item.pk, shard=0)
    assert _shards(item) == []
    services.record_armed(allocation.pk, SHA)
    assert _shards(item) == [{"shard": 0, "epoch": 1, "sha": SHA}]


def test_arming_again_publishes_nothing_new(item):
    allocation = services.open_allocation(item.pk, shard=0)
    services.record_armed(allocation.pk, SHA)
    versions = Snapshot.objects.count()
    services.record_armed(allocation.pk, SHA)
    assert Snapshot.objects.count() == versions


def test_a_closed_allocation_cannot_be_armed(item):
    allocation = services.open_allocation(item.pk, shard=0)
    Allocation.objects.filter(pk=allocation.pk).update(closed=True)
    with pytest.raises(services.AllocationNotOpen):
        services.record_armed(allocation.pk, SHA)


@pytest.mark.parametrize("sha", ["", SHA.upper(), SHA[:-1], SHA + "0", SHA[:-1] + "\n"])
def test_what_is_not_a_sha1_is_refused(item, sha):
    allocation = services.open_allocation(item.pk, shard=0)
    with pytest.raises(ValueError, match="not a SHA-1"):
        services.record_armed(allocation.pk, sha)
