"""Reverting at the same moment. The control shows that the row count is what decides."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from control_plane.snapshot import services as snapshots
from control_plane.switches import services, tasks
from control_plane.switches.models import SwitchRevert

pytestmark = pytest.mark.django_db(transaction=True)

RUNS = 4
DEADLINE_S = 30


@pytest.fixture
def publications(monkeypatch):
    """The reasons of every attempt to publish, also of those that found nothing new."""
    reasons = []
    publish = snapshots.publish

    def count(reason, now=None):
        reasons.append(reason)
        return publish(reason, now)

    monkeypatch.setattr(snapshots, "publish", count)
    return reasons


def _together(monkeypatch):
    """Everybody has seen the throw in force before anybody writes."""
    all_have_read = threading.Barrier(RUNS)
    end = services._end

    def end_after_all_have_read(*arguments, **how):
        all_have_read.wait(DEADLINE_S)
        return end(*arguments, **how)

    monkeypatch.setattr(services, "_end", end_after_all_have_read)


def _without_the_guard(monkeypatch):
    """What was read stands, whoever wrote in the meantime."""
    all_have_read = threading.Barrier(RUNS)
    end = services._end

    def end_and_believe(ids, *arguments, **how):
        all_have_read.wait(DEADLINE_S)
        end(ids, *arguments, **how)
        return len(list(ids))

    monkeypatch.setattr(services, "_end", end_and_believe)


def _revert(at_once, throw, now):
    thrown = throw(False)
    outcomes = at_once(
        [lambda: services.revert(thrown.pk, reason="all is well", by=None, now=now)] * RUNS
    )
    return sum(isinstance(outcome, services.NotInForce) for outcome in outcomes)


def test_of_those_who_revert_at_once_one_does(at_once, throw, now, monkeypatch, publications):
    _together(monkeypatch)
    assert _revert(at_once, throw, now) == RUNS - 1
    assert publications.count("switch sale_enabled reverted: all is well") == 1
    assert SwitchRevert.objects.count() == 1


def test_control_without_the_row_count_everybody_reverts(
    at_once, throw, now, monkeypatch, publications
):
    _without_the_guard(monkeypatch)
    assert _revert(at_once, throw, now) == 0
    assert publications.count("switch sale_enabled reverted: all is well") == RUNS


def _expire(at_once, throw, now):
    until = now.replace(minute=1)
    throw(False, until=until)
    throw(0, "rate_limits", until=until)
    return sum(at_once([lambda: services.revert_due(until)] * RUNS))


def test_of_clocks_that_run_at_once_one_reverts(at_once, throw, now, monkeypatch, publications):
    _together(monkeypatch)
    assert _expire(at_once, throw, now) == 2
    assert [reason for reason in publications if "on time" in reason] == [
        "2 switches reverted on time"
    ]


def test_control_without_the_row_count_every_clock_reverts(
    at_once, throw, now, monkeypatch, publications
):
    _without_the_guard(monkeypatch)
    assert _expire(at_once, throw, now) == 2 * RUNS
    assert publications.count("2 switches reverted on time") == RUNS


def test_the_task_leaves_the_work_to_one_that_is_at_it(throw, at_once, now, monkeypatch):
    throw(False, until=now.replace(minute=1))
    monkeypatch.setattr(timezone, "now", lambda: now.replace(minute=1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [tasks.REVERT_LOCK])
        assert at_once([tasks.revert_due_switches]) == [None]
        assert not SwitchRevert.objects.exists()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [tasks.REVERT_LOCK])
    assert at_once([tasks.revert_due_switches]) == [None]
    assert SwitchRevert.objects.count() == 1
