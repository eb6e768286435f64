"""What people may do to a campaign that runs: move its end, pause and resume it, end it."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from control_plane.campaigns import running, services
from control_plane.campaigns.models import LASTS_MAX, Campaign, CampaignState, StepKind
from control_plane.inventory import services as inventory
from control_plane.pages import facts
from control_plane.snapshot.document import epoch_ms
from control_plane.snapshot.models import Snapshot
from control_plane.switches import services as switches
from tests.redis.waiting import until

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DEADLINE_S = 30


@pytest.fixture
def live(approved):
    services.open_due(approved.starts_at)
    approved.refresh_from_db()
    return approved


@pytest.fixture
def during(live):
    """Half an hour into the sale."""
    return live.starts_at + HOUR / 2


def _document():
    return Snapshot.objects.latest("version").document


def _extend(campaign, now, by=None, to=HOUR):
    return services.extend(campaign, campaign.ends_at + to, "more came", by, now)


def test_the_end_is_moved_and_everybody_hears_of_it(live, item, during, checker):
    before = live.ends_at
    after = before + HOUR
    assert _extend(live, during, checker).ends_at == after
    document = _document()
    assert document["campaigns"]["spring"]["end_ms"] == epoch_ms(after)
    assert document["items"][str(item.pk)]["end_ms"] == epoch_ms(after)
    (page,) = facts.campaigns_to_publish(during)
    assert facts.facts_of(page)["end_ms"] == epoch_ms(after)
    step = live.steps.get(kind=StepKind.EXTENDED)
    assert (step.by, step.comment) == (checker, "more came")
    assert step.details == {"before": before.isoformat(), "after": after.isoformat()}


def test_the_clock_ends_it_at_the_new_end_and_not_at_the_old_one(live, during):
    old = live.ends_at
    _extend(live, during)
    assert services.end_due(old) == 0
    assert services.end_due(old + HOUR) == 1


@pytest.mark.parametrize("to", [timedelta(0), -timedelta(minutes=1)])
def test_the_end_is_moved_to_later_only(live, during, to):
    with pytest.raises(services.NotLater) as refused:
        _extend(live, during, to=to)
    assert "later than 2026-11-22 14:00:00 (UTC)" in str(refused.value.message)
    assert Campaign.objects.get().ends_at == live.ends_at


def test_the_end_is_not_moved_past_what_a_sale_may_last(live, during):
    last = live.starts_at + LASTS_MAX
    with pytest.raises(services.TooLong):
        _extend(live, during, to=last - live.ends_at + timedelta(seconds=1))
    assert Campaign.objects.get().ends_at == live.ends_at
    assert _extend(live, during, to=last - live.ends_at).ends_at == last


def test_what_shoppers_were_told_is_over_is_not_extended(live):
    with pytest.raises(services.EndHasPassed):
        _extend(live, live.ends_at)


@pytest.mark.parametrize("ended", [True, False])
def test_what_does_not_run_is_not_extended(draft, now, ended):
    if ended:
        services.end_now(services.approve(draft, None, now), None, now)
    with pytest.raises(services.EndHasPassed):
        _extend(draft, now)


def test_who_saw_another_end_looks_again(live, during):
    seen = Campaign.objects.get(pk=live.pk)
    _extend(live, during)
    with pytest.raises(services.EndWasMoved):
        _extend(seen, during, to=2 * HOUR)


def test_it_is_not_moved_into_another_sale_of_the_same_thing(live, during, now):
    later = services.create_draft(
        live.merchant,
        slug="later",
        title="Later",
        starts_at=live.ends_at + HOUR,
        ends_at=live.ends_at + 2 * HOUR,
        items=[{"sku": "TEA", "title": "Tea", "units": 5, "price_minor": 100}],
    )
    services.approve(later, None, now)
    versions = Snapshot.objects.count()
    with pytest.raises(services.Clashes):
        _extend(live, during, to=HOUR + timedelta(seconds=1))
    assert Campaign.objects.get(pk=live.pk).ends_at == live.ends_at
    assert Snapshot.objects.count() == versions
    assert _extend(live, during, to=HOUR).ends_at == later.starts_at


def test_what_was_switched_until_the_end_holds_until_the_new_one(live, item, during):
    old, new = live.ends_at, live.ends_at + HOUR
    switch = {"reason": "robots", "by": None, "now": during}
    switches.throw("sale_enabled", False, campaign=live, until=old, **switch)
    switches.throw("risk_mode", "off", item=item, until=during + timedelta(minutes=1), **switch)
    _extend(live, during)
    assert switches.effective(old).of(live.pk, item.pk)["sale_enabled"] is False
    assert switches.effective(old).of(live.pk, item.pk)["risk_mode"] == "enforce"
    assert switches.effective(new).of(live.pk, item.pk)["sale_enabled"] is True


@pytest.mark.django_db(transaction=True)
def test_an_end_that_comes_while_it_is_moved_waits_and_finds_nothing_due(
    at_once, live, during, monkeypatch
):
    """The clock read it as due; the end was moved before the clock had its row."""
    moving, old = threading.Event(), live.ends_at
    move, lock = running._move_end, inventory.lock_pools

    def move_while_the_clock_looks(*args):
        moved = move(*args)
        moving.set()
        return moved

    def lock_after_the_move(items):
        moving.wait(DEADLINE_S)
        lock(items)

    monkeypatch.setattr(running, "_move_end", move_while_the_clock_looks)
    monkeypatch.setattr(inventory, "lock_pools", lock_after_the_move)
    _extended, ended = at_once([lambda: _extend(live, during), lambda: services.end_due(old)])
    assert ended == 0
    assert Campaign.objects.get().state == CampaignState.LIVE


def _extend_two_at_once(at_once, live, during):
    calls = [lambda to=to: _extend(live, during, to=to) for to in (HOUR, 2 * HOUR)]
    outcomes = at_once(calls)
    return sum(isinstance(outcome, services.EndWasMoved) for outcome in outcomes)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_move_the_end_at_once_one_looks_again(at_once, live, during):
    assert _extend_two_at_once(at_once, live, during) == 1
    assert live.steps.filter(kind=StepKind.EXTENDED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_control_reading_first_and_writing_later_moves_it_twice(at_once, live, during, monkeypatch):
    both = threading.Barrier(2)

    def read_then_write(campaign_id, seen, ends_at, now):
        as_seen = Campaign.objects.get(pk=campaign_id).ends_at == seen
        both.wait(DEADLINE_S)
        Campaign.objects.filter(pk=campaign_id).update(ends_at=ends_at)
        return as_seen

    monkeypatch.setattr(running, "_move_end", read_then_write)
    assert _extend_two_at_once(at_once, live, during) == 0


@pytest.mark.parametrize("whole", [True, False])
def test_it_is_paused_and_resumed(live, item, during, checker, whole):
    of = None if whole else item
    services.pause(live, of, "wrong picture", checker, during)
    assert _document()["items"][str(item.pk)]["switches"]["sale_enabled"] is False
    thrown = services.paused_by(live, of, during)
    assert thrown is not None
    assert (thrown.reason, thrown.by, thrown.until) == ("wrong picture", checker, None)
    services.resume(live, of, "mended", checker, during)
    assert _document()["items"][str(item.pk)]["switches"]["sale_enabled"] is True
    assert services.paused_by(live, of, during) is None
    assert live.steps.get(kind=StepKind.RESUMED).comment == "mended"


def test_resuming_the_campaign_leaves_an_item_paused_that_was_paused_alone(live, item, during):
    services.pause(live, item, "this one", None, during)
    services.pause(live, None, "all", None, during)
    services.resume(live, None, "go on", None, during)
    assert _document()["items"][str(item.pk)]["switches"]["sale_enabled"] is False


def test_what_was_stopped_twice_sells_after_one_resume(live, item, during):
    switch = {"campaign": live, "by": None, "now": during}
    switches.throw("sale_enabled", False, reason="one", **switch)
    switches.throw("sale_enabled", False, reason="two", **switch)
    services.resume(live, None, "go on", None, during)
    assert _document()["items"][str(item.pk)]["switches"]["sale_enabled"] is True


def test_it_is_paused_once_and_resumed_once(live, during):
    with pytest.raises(services.NotPaused):
        services.resume(live, None, "go on", None, during)
    services.pause(live, None, "stop", None, during)
    with pytest.raises(services.AlreadyPaused):
        services.pause(live, None, "stop", None, during)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_a_pause_without_a_reason_is_none(live, during, reason):
    with pytest.raises(ValidationError):
        services.pause(live, None, reason, None, during)
    assert services.paused_by(live, None, during) is None


def test_what_does_not_run_is_not_paused(draft, now):
    with pytest.raises(services.NotRunning):
        services.pause(draft, None, "stop", None, now)


@pytest.mark.django_db(transaction=True)
def test_of_those_who_pause_at_once_one_does(at_once, live, during):
    outcomes = at_once([lambda: services.pause(live, None, "stop", None, during)] * 3)
    assert sum(isinstance(one, services.AlreadyPaused) for one in outcomes) == 2


def test_ending_it_early_says_why(live, during, checker):
    services.end_now(live, checker, during, "sold at the wrong price")
    step = live.steps.get(kind=StepKind.ENDED_EARLY)
    assert (step.by, step.comment, step.at) == (checker, "sold at the wrong price", during)


def _somebody_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


@pytest.mark.django_db(transaction=True)
def test_ending_it_by_hand_while_the_clock_ends_it_waits_for_the_clock(at_once, live, monkeypatch):
    """Both take the pools first: else each would hold what the other one waits for."""
    holds, lock = threading.Event(), inventory.lock_pools

    def lock_and_let_the_other_come(items):
        lock(items)
        if not holds.is_set():
            holds.set()
            until(_somebody_waits_for_a_lock, "the other one waits", DEADLINE_S)

    def by_hand():
        holds.wait(DEADLINE_S)
        services.end_now(live, None, live.ends_at, "by hand")

    monkeypatch.setattr(inventory, "lock_pools", lock_and_let_the_other_come)
    ended, refused = at_once([lambda: services.end_due(live.ends_at), by_hand])
    assert (ended, type(refused)) == (1, services.NotRunning)
    assert live.steps.filter(kind=StepKind.ENDED).count() == 1
    assert not live.steps.filter(kind=StepKind.ENDED_EARLY).exists()
