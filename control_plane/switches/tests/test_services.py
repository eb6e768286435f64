"""Throwing and reverting: what is refused, what is written, and that each is published once."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone, translation

from control_plane.campaigns import services as campaigns
from control_plane.config import schedule
from control_plane.snapshot.models import Snapshot
from control_plane.switches import services, tasks
from control_plane.switches.known import SWITCHES
from control_plane.switches.models import SwitchRevert, SwitchThrow

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
TICK = timedelta(milliseconds=1)


def _refusal(call, *arguments, **how):
    with pytest.raises(ValidationError) as refused:
        call(*arguments, **how)
    return refused.value.message_dict


def test_a_throw_is_written_and_published(throw, published, item, now):
    user = User.objects.create(username="ann")
    until = now + MINUTE
    thrown = throw(False, reason=" robots ", by=user, until=until)
    assert (thrown.reason, thrown.by, thrown.until, thrown.created_at) == (
        "robots",
        user,
        until,
        now,
    )
    document = published()
    assert document["switches"]["sale_enabled"] is False
    assert document["items"][str(item.pk)]["switches"]["sale_enabled"] is False
    assert Snapshot.objects.latest("version").reason == "switch sale_enabled: robots"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sale_enabled", 0),
        ("sale_enabled", "false"),
        ("sale_enabled", None),
        ("human_check", 1),
        ("queue_mode", "draw"),
        ("queue_mode", False),
        ("queue_mode", ["off"]),
        ("risk_mode", ""),
        ("rate_limits", -0.1),
        ("rate_limits", 100.1),
        ("rate_limits", "1"),
        ("rate_limits", True),
        ("rate_limits", float("nan")),
        ("canary_percent", 101),
        ("console_canary_percent", None),
    ],
)
def test_a_value_that_is_not_the_switchs_is_refused_at_its_field(throw, name, value):
    assert set(_refusal(throw, value, name)) == {"value"}
    assert not SwitchThrow.objects.exists()


@pytest.mark.parametrize("scope", ["item", "campaign"])
def test_a_draw_cannot_be_switched_to_first_come_first_served(throw, approved, item, scope):
    approved.items.update(queue_mode="draw")
    subject = {"item": item} if scope == "item" else {"campaign": approved}
    refusal = _refusal(throw, "fifo", "queue_mode", **subject)
    assert set(refusal) == {"value"}
    assert "void" in refusal["value"][0]
    with translation.override("zh-hans"):
        assert "抽签" in _refusal(throw, "fifo", "queue_mode", **subject)["value"][0]
    assert not SwitchThrow.objects.exists()
    assert throw("off", "queue_mode", **subject).pk
    assert throw("configured", "queue_mode", **subject).pk


@pytest.mark.parametrize("mode", ["off", "fifo"])
def test_whatever_is_no_draw_can_be_switched_to_first_come_first_served(
    throw, approved, item, published, mode
):
    approved.items.update(queue_mode=mode)
    throw("fifo", "queue_mode", item=item)
    throw("fifo", "queue_mode", campaign=approved)
    assert published()["items"][str(item.pk)]["queue"]["mode"] == "fifo"


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("sale_enabled", True, True),
        ("queue_mode", "fifo", "fifo"),
        ("risk_mode", "off", "off"),
        ("rate_limits", 2.0, 2),
        ("rate_limits", 0, 0),
        ("rate_limits", 0.5, 0.5),
        ("canary_percent", 100, 100),
    ],
)
def test_a_value_of_the_switch_is_taken(throw, name, value, stored):
    kept = SwitchThrow.objects.get(pk=throw(value, name).pk).value
    assert (kept, type(kept)) == (stored, type(stored))


@pytest.mark.parametrize("switch", SWITCHES.values(), ids=SWITCHES)
def test_every_default_is_a_value_of_its_switch(switch):
    assert switch.checked(switch.default) == switch.default


def test_each_wrong_field_is_named(throw, approved, item, now):
    assert set(_refusal(throw, True, "no_such_switch")) == {"name"}
    assert set(_refusal(throw, False, reason="  ")) == {"reason"}
    assert set(_refusal(throw, False, reason="x" * 201)) == {"reason"}
    assert set(_refusal(throw, False, until=now)) == {"until"}
    assert set(_refusal(throw, False, campaign=approved, item=item)) == {"item"}
    assert set(_refusal(throw, 5, "console_canary_percent", item=item)) == {"scope"}
    assert not SwitchThrow.objects.exists()


def test_only_what_is_approved_and_not_over_has_switches(throw, draft, now):
    assert set(_refusal(throw, False, campaign=draft)) == {"campaign"}
    assert set(_refusal(throw, False, item=draft.items.get())) == {"item"}
    campaign = campaigns.end_now(campaigns.approve(draft, None, now), None, now)
    assert set(_refusal(throw, False, campaign=campaign)) == {"campaign"}


def test_a_revert_is_a_row_and_is_published(throw, published, now):
    user = User.objects.create(username="ann")
    thrown = throw(False)
    services.revert(thrown.pk, reason="all is well", by=user, now=now + MINUTE)
    row = SwitchRevert.objects.get()
    assert (row.throw, row.by, row.by_clock, row.at) == (thrown, user, False, now + MINUTE)
    assert row.reason == "all is well"
    assert Snapshot.objects.latest("version").reason == "switch sale_enabled reverted: all is well"
    assert published()["switches"]["sale_enabled"] is True


def test_what_is_over_cannot_be_reverted(throw, now):
    thrown = throw(False, until=now + MINUTE)
    with pytest.raises(services.NotInForce):
        services.revert(thrown.pk, reason="all is well", by=None, now=now + MINUTE)
    services.revert(thrown.pk, reason="all is well", by=None, now=now)
    with pytest.raises(services.NotInForce):
        services.revert(thrown.pk, reason="all is well", by=None, now=now)
    with pytest.raises(services.NotInForce):
        services.revert(thrown.pk + 1, reason="all is well", by=None, now=now)
    assert SwitchRevert.objects.count() == 1


def test_the_clock_reverts_at_the_end_and_not_before(throw, published, now):
    throw(False, until=now + MINUTE)
    assert services.revert_due(now + MINUTE - TICK) == 0
    assert published()["switches"]["sale_enabled"] is False
    assert services.revert_due(now + MINUTE) == 1
    assert published()["switches"]["sale_enabled"] is True
    row = SwitchRevert.objects.get()
    assert (row.by, row.by_clock, row.reason) == (None, True, "")


def test_a_second_run_of_the_clock_publishes_nothing(throw, now):
    throw(False, until=now + MINUTE)
    services.revert_due(now + MINUTE)
    versions = Snapshot.objects.count()
    assert services.revert_due(now + MINUTE) == 0
    assert Snapshot.objects.count() == versions


def test_several_that_end_together_are_one_version(throw, item, now):
    throw(False, until=now + MINUTE)
    throw("off", "risk_mode", item=item, until=now + MINUTE)
    throw(0, "rate_limits")
    versions = Snapshot.objects.count()
    assert services.revert_due(now + MINUTE) == 2
    assert Snapshot.objects.count() == versions + 1
    assert [one.name for one in services.in_force(now + MINUTE)] == ["rate_limits"]


def test_the_end_of_a_campaign_reverts_what_was_thrown_for_it(throw, approved, item, now):
    throw(False, campaign=approved)
    throw("off", "risk_mode", item=item)
    throw("shadow", "risk_mode")
    campaigns.end_now(approved, None, now)
    assert services.revert_due(now) == 2
    assert [one.value for one in services.in_force(now)] == ["shadow"]


def test_a_tick_without_work_asks_and_does_no_more(throw, now, django_assert_num_queries):
    throw(False)
    with django_assert_num_queries(3):  # a savepoint around one statement
        assert services.revert_due(now) == 0


@pytest.mark.parametrize("rows", [SwitchThrow.objects, SwitchRevert.objects])
def test_the_trail_cannot_be_changed(throw, now, rows):
    services.revert(throw(False).pk, reason="all is well", by=None, now=now)
    for write in (lambda: rows.all().update(by=None), lambda: rows.all()._raw_delete("default")):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            write()


def test_the_task_reverts_by_the_real_clock(throw, monkeypatch, now):
    throw(False, until=now + MINUTE)
    monkeypatch.setattr(timezone, "now", lambda: now + MINUTE)
    tasks.revert_due_switches()
    assert SwitchRevert.objects.count() == 1


def test_beat_sends_the_task_every_second_and_lets_stale_ticks_expire():
    entry = schedule.entry("revert-switches")
    assert (entry.task, entry.every_s) == (tasks.revert_due_switches.name, 1)
    assert entry.expires_s <= 2
