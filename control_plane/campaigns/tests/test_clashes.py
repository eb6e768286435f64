"""One SKU of one merchant is on sale in one campaign at a time, whoever approves when."""

import threading
from datetime import timedelta

import pytest

from control_plane.campaigns import approval, clashes, services
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.merchants.models import Merchant

HOUR = timedelta(hours=1)
DEADLINE_S = 30


@pytest.fixture
def other(approved, now):
    """A draft of the same SKU, in the hour after the approved campaign."""
    return _like(approved, approved.ends_at, approved.ends_at + HOUR)


def _like(campaign, starts_at, ends_at, slug="other", sku="TEA", merchant=None):
    return services.create_draft(
        merchant or campaign.merchant,
        slug=slug,
        title="Other",
        starts_at=starts_at,
        ends_at=ends_at,
        items=[{"sku": sku, "title": "Tea", "units": 5, "price_minor": 100}],
    )


@pytest.mark.django_db
def test_it_says_which_campaign_sells_it_and_when(approved, other, now):
    Campaign.objects.filter(pk=other.pk).update(starts_at=approved.ends_at - timedelta(seconds=1))
    with pytest.raises(services.Clashes) as refused:
        services.approve(other, None, now)
    assert refused.value.clash.campaign == approved
    assert str(refused.value.message) == (
        "TEA is on sale in “Spring” (spring) at the same time, from 2026-11-22 13:00:00 to "
        "2026-11-22 14:00:00 (UTC)."
    )
    assert Campaign.objects.get(pk=other.pk).state == CampaignState.DRAFT


@pytest.mark.django_db
def test_one_may_begin_when_the_other_ends(other, now):
    assert services.approve(other, None, now).state == CampaignState.APPROVED


@pytest.mark.django_db
@pytest.mark.parametrize("differs", ["sku", "merchant", "ended"])
def test_what_is_not_the_same_does_not_clash(approved, now, differs):
    shop = Merchant.objects.create(slug="b", name="B") if differs == "merchant" else None
    sku = "CUP" if differs == "sku" else "TEA"
    if differs == "ended":
        services.end_now(approved, None, now)
    draft = _like(approved, approved.starts_at, approved.ends_at, sku=sku, merchant=shop)
    assert services.approve(draft, None, now).state == CampaignState.APPROVED


def _approve_two_at_once(at_once, merchant, now):
    campaign = Campaign(merchant=merchant)
    drafts = [_like(campaign, now + HOUR, now + 2 * HOUR, slug) for slug in ("a", "b")]
    outcomes = at_once([lambda one=one: services.approve(one, None, now) for one in drafts])
    return sum(isinstance(outcome, services.Clashes) for outcome in outcomes)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_are_approved_at_once_one_clashes(at_once, merchant, now):
    assert _approve_two_at_once(at_once, merchant, now) == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_the_merchants_lock_both_are_approved(at_once, merchant, now, monkeypatch):
    both = threading.Barrier(2)
    look = clashes.clashes

    def look_together(*args, **kwargs):
        found = look(*args, **kwargs)
        both.wait(DEADLINE_S)
        return found

    monkeypatch.setattr(approval, "lock_sales_of", lambda merchant_id: None)
    monkeypatch.setattr(approval, "clashes", look_together)
    assert _approve_two_at_once(at_once, merchant, now) == 0
