"""Approving at the same moment. The control shows that the conditional UPDATE is what decides."""

import threading

import pytest
from django.db import transaction

from control_plane.campaigns import approval, services
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db(transaction=True)

APPROVERS = 4
DEADLINE_S = 30


def _approve_at_once(at_once, draft, now):
    outcomes = at_once([lambda: services.approve(draft, None, now)] * APPROVERS)
    refused = [outcome for outcome in outcomes if isinstance(outcome, services.NotDraft)]
    return len(refused), Snapshot.objects.filter(reason="campaign spring approved").count()


def test_of_those_who_approve_at_once_one_does(at_once, draft, now):
    assert _approve_at_once(at_once, draft, now) == (APPROVERS - 1, 1)


def test_control_reading_first_and_writing_later_approves_more_than_once(
    at_once, draft, now, monkeypatch
):
    all_have_read = threading.Barrier(APPROVERS)

    def check_then_leave(campaign_id, by, now):
        is_draft = Campaign.objects.get(pk=campaign_id).state == CampaignState.DRAFT
        all_have_read.wait(DEADLINE_S)
        Campaign.objects.filter(pk=campaign_id).update(state=CampaignState.APPROVED)
        return is_draft

    monkeypatch.setattr(approval, "_leave_draft", check_then_leave)
    # Each of them replaces the path keys, so each publishes.
    assert _approve_at_once(at_once, draft, now) == (0, APPROVERS)


def test_an_edit_waits_for_the_approval_and_is_then_refused(at_once, draft, now, monkeypatch):
    approving = threading.Event()
    put_on_sale = approval._put_on_sale

    def put_on_sale_while_somebody_edits(item):
        approving.set()
        put_on_sale(item)

    def edit():
        approving.wait(DEADLINE_S)
        with transaction.atomic():
            campaign = services.lock_draft(draft.pk)
            campaign.items.update(units=99)

    monkeypatch.setattr(approval, "_put_on_sale", put_on_sale_while_somebody_edits)
    approved, edited = at_once([lambda: services.approve(draft, None, now), edit])
    assert isinstance(edited, services.NotDraft)
    item = approved.items.get()
    assert (item.units, item.pool.total) == (10, 10)
