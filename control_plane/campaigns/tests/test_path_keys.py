"""New buy addresses: who was let in just before keeps buying, copies end."""

from datetime import timedelta

import pytest

from control_plane.campaigns import services
from control_plane.campaigns.models import PATH_KEY_GRACE, Item
from control_plane.snapshot import document
from control_plane.snapshot import services as snapshots
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db


def _published():
    (item,) = Snapshot.objects.latest("version").document["items"].values()
    return item


def test_the_new_key_is_published_with_the_one_before(approved, now):
    old = approved.items.get().path_key
    services.rotate_path_keys(approved, None, now)
    item = _published()
    assert item["path_key"] == approved.items.get().path_key != old
    until_ms = document.epoch_ms(now + PATH_KEY_GRACE)
    assert item["path_key_before"] == {"key": old, "until_ms": until_ms}


def test_every_item_gets_one_of_its_own(draft, now):
    Item.objects.create(campaign=draft, sku="CUP", title="Cup", units=5, price_minor=1)
    approved = services.approve(draft, None, now)
    before = set(approved.items.values_list("path_key", flat=True))
    services.rotate_path_keys(approved, None, now)
    after = set(approved.items.values_list("path_key", flat=True))
    assert len(before | after) == 4


def test_the_one_before_leaves_the_document_after_the_grace(approved, now):
    services.rotate_path_keys(approved, None, now)
    snapshots.publish("later", now + PATH_KEY_GRACE)
    assert "path_key_before" not in _published()


def test_two_rotations_at_once_end_the_oldest(approved, now):
    services.rotate_path_keys(approved, None, now)
    middle = approved.items.get().path_key
    services.rotate_path_keys(approved, None, now + timedelta(seconds=1))
    assert _published()["path_key_before"]["key"] == middle


@pytest.mark.parametrize("state", ["draft", "ended"])
def test_only_a_campaign_that_runs_has_any(approved, now, state):
    type(approved).objects.update(state=state)
    key = approved.items.get().path_key
    with pytest.raises(services.NotRunning):
        services.rotate_path_keys(approved, None, now)
    assert approved.items.get().path_key == key
