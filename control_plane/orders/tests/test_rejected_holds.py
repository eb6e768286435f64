"""A rejected reservation does not go on counting against its shopper's limit in the shard."""

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services as inventory
from control_plane.orders import landing
from control_plane.orders.models import HoldRelease
from control_plane.orders.services import land, mark_released, pending_releases

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rejected(item, allocation, intent, now, close, open_epoch):
    """Ann's came after its epoch was closed, and the pool is empty: PostgreSQL refused it."""
    close(allocation)
    open_epoch(units=10)

    def build():
        (landed,) = land([intent("ann")], now)
        assert landed.reason == "closed_epoch"
        return landed

    return build


def test_its_shard_is_told_once(rejected, item):
    landed = rejected()
    (release,) = pending_releases(10)
    assert (release.pk, release.order, release.item_id, release.shard, release.shopper) == (
        landed.reservation_id,
        None,
        item.pk,
        0,
        "ann",
    )
    rejected()
    assert pending_releases(10) == [release]
    assert mark_released([release.pk]) == 1
    assert pending_releases(10) == []


def test_a_new_epoch_knows_it_with_nothing(rejected, item):
    landed = rejected()
    buyers = list(inventory.decided_buyers(item.pk, 0))
    assert buyers == [("ann", landed.reservation_id, 0)]


def test_one_for_each_reason_and_none_for_an_order(allocation, intent, now, limit):
    limit(2)
    batch = [
        intent("ann"),
        intent("ann", key="more", qty=2),
        intent("bob", epoch=7),
        *(intent(f"shopper-{n}") for n in range(10)),
    ]
    refused = {one.reservation_id: one.reason for one in land(batch, now) if one.reason}
    assert sorted(refused.values()) == ["no_allocation", "over_granted", "over_limit"]
    assert {one.pk for one in pending_releases(10)} == set(refused)


def test_after_the_end_of_the_campaign_no_shard_has_to_hear(rejected, approved, now):
    campaigns.end_now(approved, None, now)
    rejected()
    assert not HoldRelease.objects.exists()


def test_control_without_the_release_the_shard_never_hears(rejected, monkeypatch):
    guard = "WHERE campaign.state <> 'ended'"
    assert landing._ROUND.count(guard) == 1
    monkeypatch.setattr(landing, "_ROUND", landing._ROUND.replace(guard, "WHERE false"))
    rejected()
    assert pending_releases(10) == []
