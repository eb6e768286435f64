"""Which throw wins: item over campaign over all over default, of one scope the newest."""

from datetime import timedelta

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.snapshot import document
from control_plane.switches import services
from control_plane.switches.effective import DEFAULTS

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def neighbour(merchant, now):
    """An item of another campaign."""
    draft = campaigns.create_draft(
        merchant,
        slug="autumn",
        title="Autumn",
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        items=[{"sku": "CUP", "title": "Tea", "units": 10, "price_minor": 1999}],
    )
    return campaigns.approve(draft, None, now).items.get()


def _at(item, moment):
    return services.effective(moment).of(item.campaign_id, item.pk)["risk_mode"]


def test_nothing_thrown_is_the_default_everywhere(item, now):
    values = services.effective(now)
    assert values.everywhere() == values.of(item.campaign_id, item.pk) == DEFAULTS


def test_the_narrowest_scope_wins_in_whatever_order_they_were_thrown(
    throw, approved, item, neighbour, now
):
    throw("off", "risk_mode", item=item)
    throw("shadow", "risk_mode", campaign=approved)
    throw("enforce", "risk_mode")
    assert _at(item, now) == "off"
    assert _at(neighbour, now) == "enforce"
    services.revert(
        services.in_force(now).get(scope="item").pk, reason="all is well", by=None, now=now
    )
    assert _at(item, now) == "shadow"
    services.revert(
        services.in_force(now).get(scope="campaign").pk, reason="all is well", by=None, now=now
    )
    assert _at(item, now) == "enforce"


def test_of_one_scope_the_newest_wins_and_the_older_one_comes_back(throw, item, now):
    throw("off", "risk_mode")
    newest = throw("shadow", "risk_mode")
    assert _at(item, now) == "shadow"
    services.revert(newest.pk, reason="all is well", by=None, now=now)
    assert _at(item, now) == "off"


def test_what_has_expired_does_not_wait_for_the_clock(throw, item, now):
    throw("off", "risk_mode")
    throw("shadow", "risk_mode", until=now + MINUTE)
    assert _at(item, now + MINUTE - timedelta(milliseconds=1)) == "shadow"
    assert _at(item, now + MINUTE) == "off"
    assert document.build(now + MINUTE)["switches"]["risk_mode"] == "off"


def test_one_query_for_all_items(throw, item, neighbour, now, django_assert_num_queries):
    for _ in range(5):
        throw("off", "risk_mode", item=item)
    with django_assert_num_queries(1):
        values = services.effective(now)
        assert values.of(item.campaign_id, item.pk)["risk_mode"] == "off"
        assert values.of(neighbour.campaign_id, neighbour.pk) == DEFAULTS


@pytest.mark.parametrize(
    ("configured", "thrown", "mode"),
    [
        ("draw", None, "draw"),
        ("draw", "off", "off"),
        ("draw", "fifo", "draw"),
        ("off", "fifo", "fifo"),
        ("fifo", "configured", "fifo"),
    ],
)
def test_the_queues_mode_is_the_items_own_unless_it_is_switched(
    throw, item, now, configured, thrown, mode
):
    type(item).objects.update(queue_mode=configured)
    if thrown:
        throw(thrown, "queue_mode")
    assert document.build(now)["items"][str(item.pk)]["queue"]["mode"] == mode
