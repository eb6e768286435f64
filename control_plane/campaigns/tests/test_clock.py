"""approved → live → ended, by the clock or by hand."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from control_plane.campaigns import services, tasks
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.config import schedule
from control_plane.snapshot.models import Snapshot

pytestmark = pytest.mark.django_db

TICK = timedelta(milliseconds=1)


def _state(campaign):
    return Campaign.objects.get(pk=campaign.pk).state


def _published_state():
    return Snapshot.objects.latest("version").document["campaigns"]["spring"]["state"]


def test_it_opens_at_its_start_and_not_before(approved):
    assert services.open_due(approved.starts_at - TICK) == 0
    assert _state(approved) == CampaignState.APPROVED
    assert services.open_due(approved.starts_at) == 1
    assert _state(approved) == _published_state() == CampaignState.LIVE


def test_it_ends_at_its_end_and_not_before(approved):
    services.open_due(approved.starts_at)
    assert services.end_due(approved.ends_at - TICK) == 0
    assert services.end_due(approved.ends_at) == 1
    assert _state(approved) == _published_state() == CampaignState.ENDED
    approved.refresh_from_db()
    assert (approved.ended_at, approved.ended_by) == (approved.ends_at, None)


def test_a_second_run_does_nothing(approved):
    services.open_due(approved.starts_at)
    versions = Snapshot.objects.count()
    assert services.open_due(approved.starts_at) == 0
    assert Snapshot.objects.count() == versions


def test_a_tick_without_work_asks_and_does_no_more(approved, now, django_assert_num_queries):
    for step in (services.open_due, services.end_due):
        with django_assert_num_queries(3):  # a savepoint around one statement
            assert step(now) == 0


def test_a_campaign_whose_whole_time_was_missed_ends_without_opening(approved):
    assert services.open_due(approved.ends_at) == 0
    assert services.end_due(approved.ends_at) == 1
    assert _state(approved) == CampaignState.ENDED


def test_a_draft_neither_opens_nor_ends(draft):
    assert services.open_due(draft.starts_at) == services.end_due(draft.ends_at) == 0
    assert _state(draft) == CampaignState.DRAFT


def test_it_can_be_ended_by_hand(approved, now):
    user = User.objects.create(username="boss")
    ended = services.end_now(approved, by=user, now=now)
    assert (ended.state, ended.ended_at, ended.ended_by) == (CampaignState.ENDED, now, user)
    assert _published_state() == CampaignState.ENDED


@pytest.mark.parametrize("state", [CampaignState.DRAFT, CampaignState.ENDED])
def test_what_does_not_run_cannot_be_ended(draft, now, state):
    Campaign.objects.filter(pk=draft.pk).update(state=state)
    with pytest.raises(services.NotRunning):
        services.end_now(draft, None, now)
    assert _state(draft) == state


@pytest.fixture
def task_clock(monkeypatch):
    """Sets the time the task sees."""

    def set_to(moment):
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


def test_the_task_opens_and_ends(approved, task_clock):
    task_clock(approved.starts_at)
    tasks.advance_campaigns()
    assert _state(approved) == CampaignState.LIVE
    task_clock(approved.ends_at)
    tasks.advance_campaigns()
    assert _state(approved) == CampaignState.ENDED


@pytest.mark.django_db(transaction=True)
def test_the_task_leaves_the_work_to_one_that_is_at_it(approved, task_clock, at_once):
    task_clock(approved.starts_at)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [tasks.ADVANCE_LOCK])
        assert at_once([tasks.advance_campaigns]) == [None]
        assert _state(approved) == CampaignState.APPROVED
        cursor.execute("SELECT pg_advisory_unlock(%s)", [tasks.ADVANCE_LOCK])
    assert at_once([tasks.advance_campaigns]) == [None]
    assert _state(approved) == CampaignState.LIVE


def test_beat_sends_the_task_every_second_and_lets_stale_ticks_expire():
    entry = schedule.entry("advance-campaigns")
    assert entry.task == tasks.advance_campaigns.name
    assert entry.every_s == 1
    assert entry.expires_s <= 2
