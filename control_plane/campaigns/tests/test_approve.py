"""draft → approved: all of it or nothing of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from control_plane.campaigns import services
from control_plane.campaigns.models import LASTS_MAX, Campaign, CampaignState, Item
from control_plane.inventory.models import Pool
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db


def _newest():
    return Snapshot.objects.latest("version")


def _assert_untouched(draft):
    draft.refresh_from_db()
    assert draft.state == CampaignState.DRAFT
    assert (draft.approved_at, draft.approved_by) == (None, None)
    assert not Pool.objects.exists()
    assert not Snapshot.objects.exists()
    assert not Item.objects.exclude(path_key="").exists()


def test_it_fills_the_pools_makes_the_path_keys_and_publishes(draft, now, second_person):
    second_person(False)
    user = User.objects.create(username="boss")
    approved = services.approve(draft, by=user, now=now)
    item = approved.items.get()
    assert approved.state == CampaignState.APPROVED
    assert (approved.approved_at, approved.approved_by) == (now, user)
    assert len(item.path_key) == 22
    assert (item.pool.total, item.pool.unallocated) == (10, 10)
    assert _newest().document["items"][str(item.pk)]["path_key"] == item.path_key


def test_every_item_gets_a_path_key_of_its_own(draft, now):
    Item.objects.create(campaign=draft, sku="CUP", title="Cup", units=5, price_minor=1)
    keys = set(services.approve(draft, None, now).items.values_list("path_key", flat=True))
    assert len(keys) == 2


def test_a_repeat_is_refused_and_changes_nothing(approved, now):
    key = approved.items.get().path_key
    version = _newest().version
    with pytest.raises(services.NotDraft):
        services.approve(approved, None, now + timedelta(minutes=1))
    approved.refresh_from_db()
    assert approved.approved_at == now
    assert (approved.items.get().path_key, _newest().version) == (
        key,
        version,
    )


def test_a_start_in_the_past_is_refused(draft, now):
    with pytest.raises(services.StartInThePast):
        services.approve(draft, None, draft.starts_at + timedelta(milliseconds=1))
    _assert_untouched(draft)


def test_a_start_this_very_moment_is_not_in_the_past(draft):
    assert services.approve(draft, None, draft.starts_at).state == CampaignState.APPROVED


def test_a_sale_that_lasts_too_long_is_refused(draft, now):
    Campaign.objects.update(ends_at=draft.starts_at + LASTS_MAX + timedelta(seconds=1))
    with pytest.raises(services.TooLong) as refused:
        services.approve(draft, None, now)
    assert "92 days" in str(refused.value.message)
    Campaign.objects.update(ends_at=draft.starts_at + LASTS_MAX)
    assert services.approve(draft, None, now).state == CampaignState.APPROVED


def test_a_campaign_without_items_is_refused(draft, now):
    draft.items.all().delete()
    with pytest.raises(services.NoItems):
        services.approve(draft, None, now)
    _assert_untouched(draft)


def test_what_counts_is_the_database_not_the_object_in_hand(draft, now):
    Campaign.objects.filter(pk=draft.pk).update(starts_at=now - timedelta(hours=1))
    with pytest.raises(services.StartInThePast):
        services.approve(draft, None, now)


def test_only_a_draft_can_be_locked_for_editing(draft, now):
    assert services.lock_draft(draft.pk) == draft
    services.approve(draft, None, now)
    with pytest.raises(services.NotDraft):
        services.lock_draft(draft.pk)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"units": 0}, "units", "greater than or equal to 1"),
        ({"limit_per_shopper": 0}, "limit_per_shopper", "greater than or equal to 1"),
        ({"price_minor": 0}, "price_minor", "must be 1 at least"),
        ({"currency": "yuan"}, "currency", "Three capital letters"),
        ({"sku": ""}, "sku", "cannot be blank"),
    ],
)
def test_a_draft_refuses_a_wrong_item_and_is_not_made(merchant, now, fields, field, reason):
    item = {"sku": "TEA", "title": "Tea", "units": 10, "price_minor": 1999} | fields
    with pytest.raises(ValidationError) as refused:
        services.create_draft(
            merchant,
            slug="spring",
            title="Spring",
            starts_at=now,
            ends_at=now + timedelta(hours=1),
            items=[item],
        )
    assert reason in refused.value.message_dict[field][0]
    assert not Campaign.objects.exists()


def test_a_draft_refuses_an_end_before_its_start(merchant, now):
    with pytest.raises(ValidationError) as refused:
        services.create_draft(merchant, slug="s", title="S", starts_at=now, ends_at=now, items=[])
    assert refused.value.message_dict == {"ends_at": ["The end must be after the start."]}
