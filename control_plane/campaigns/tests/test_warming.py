"""Before the start: the clock sees whether everything that is to sell is armed."""

from datetime import timedelta

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.campaigns import tasks
from control_plane.campaigns.models import Campaign
from control_plane.inventory import services as inventory

pytestmark = pytest.mark.django_db(transaction=True)

LEAD = timedelta(seconds=60)


@pytest.fixture
def before(approved):
    """A moment so many seconds before the start."""
    return lambda seconds: approved.starts_at - timedelta(seconds=seconds)


@pytest.fixture
def alarms(caplog):
    return lambda: [one for one in caplog.records if getattr(one, "kind", "") == "not_warm"]


@pytest.fixture
def arm(item, open_epoch):
    """As the stock agent does, once the shard's node has the script."""

    def do():
        opened = open_epoch(units=4)
        inventory.claim_life(opened.pk, "a" * 40)
        inventory.record_armed(opened.pk, "b" * 40)

    return do


def _warmed_at():
    return Campaign.objects.get().warmed_at


def test_a_campaign_that_is_armed_is_noted_once(item, arm, before, alarms):
    arm()
    assert campaigns.warm_due(before(59), LEAD) == 1
    assert _warmed_at() == before(59)
    assert campaigns.warm_due(before(10), LEAD) == 0
    assert _warmed_at() == before(59)
    assert alarms() == []


def test_nobody_is_expected_to_be_armed_long_before(item, before, alarms):
    assert campaigns.warm_due(before(61), LEAD) == 0
    assert campaigns.warm_due(before(31), LEAD) == 0
    assert alarms() == []


def test_what_is_not_armed_at_half_time_is_an_alarm_until_it_is(item, arm, before, alarms):
    assert campaigns.warm_due(before(30), LEAD) == 0
    (alarm,) = alarms()
    assert f"{item.pk}-0" in alarm.getMessage()
    assert _warmed_at() is None
    arm()
    assert campaigns.warm_due(before(5), LEAD) == 1


def test_an_epoch_without_its_script_is_not_armed(item, open_epoch, before):
    open_epoch(units=4)
    assert campaigns.warm_due(before(59), LEAD) == 0


def test_the_task_asks_with_the_agents_own_time(item, settings, monkeypatch):
    asked = []
    monkeypatch.setattr(campaigns, "warm_due", lambda now, lead: asked.append(lead))
    tasks.warm_campaigns()
    assert asked == [timedelta(seconds=settings.ENV.arm_lead_s)]
