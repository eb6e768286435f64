"""Ending and banning at the same moment; each with a control that has the guard taken out."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError

from control_plane.risk import bans, rules, services
from control_plane.risk.models import Ban, ChangeVerb, RiskChange, RiskRule
from control_plane.snapshot import services as snapshots

pytestmark = pytest.mark.django_db(transaction=True)

RUNS = 4
DEADLINE_S = 30
MINUTE = timedelta(minutes=1)
DEVICE = "a1b2c3d4"


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


def _all_read_before_one_writes(monkeypatch, *, guarded):
    all_have_read = threading.Barrier(RUNS)
    end = rules._end

    def wait_and_end(rule_id, now, **how):
        all_have_read.wait(DEADLINE_S)
        return end(rule_id, now, **how) or not guarded

    monkeypatch.setattr(rules, "_end", wait_and_end)


def _end_at_once(at_once, rule, now):
    person = partial(services.end_rule, rule.pk, None, now)
    clock = partial(services.end_due_rules, now + MINUTE)
    at_once([person, clock] * (RUNS // 2))
    return RiskChange.objects.filter(verb=ChangeVerb.ENDED).count()


def test_of_people_and_clocks_that_end_a_rule_at_once_one_does(
    at_once, create_rule, now, monkeypatch, publications
):
    rule = create_rule(until=now + MINUTE)
    publications.clear()
    _all_read_before_one_writes(monkeypatch, guarded=True)
    assert _end_at_once(at_once, rule, now) == 1
    assert len(publications) == 1


def test_control_without_the_row_count_everybody_ends_it(
    at_once, create_rule, now, monkeypatch, publications
):
    rule = create_rule(until=now + MINUTE)
    publications.clear()
    _all_read_before_one_writes(monkeypatch, guarded=False)
    assert _end_at_once(at_once, rule, now) == RUNS
    assert len(publications) == RUNS


def _move_its_end_while_the_clock_looks(at_once, rule, now, monkeypatch):
    """The clock has read that it is due; before it writes, somebody moves the end."""
    end, moved = rules._end, threading.Event()
    reads = threading.Event()

    def wait_and_end(rule_id, at, **how):
        reads.set()
        moved.wait(DEADLINE_S)
        return end(rule_id, at, **how)

    def move():
        reads.wait(DEADLINE_S)
        services.change_rule(rule.pk, {"until": now + 9 * MINUTE}, None, now)
        moved.set()

    monkeypatch.setattr(rules, "_end", wait_and_end)
    at_once([lambda: services.end_due_rules(now + MINUTE), move])
    return RiskRule.objects.get().ended_at


def test_a_rule_that_is_prolonged_in_the_last_moment_goes_on(
    at_once, create_rule, now, monkeypatch
):
    rule = create_rule(until=now + MINUTE)
    assert _move_its_end_while_the_clock_looks(at_once, rule, now, monkeypatch) is None


def test_control_without_looking_again_it_is_ended(at_once, create_rule, now, monkeypatch):
    rule = create_rule(until=now + MINUTE)
    end = rules._end
    monkeypatch.setattr(rules, "_end", lambda rule_id, at, **_: end(rule_id, at))
    assert _move_its_end_while_the_clock_looks(at_once, rule, now, monkeypatch) is not None


def _ban_at_once(at_once, now):
    def ban(minutes):
        return services.ban("device", DEVICE, now + minutes * MINUTE, "x", "scorer", now=now)

    return at_once([lambda minutes=minutes: ban(minutes) for minutes in (3, 9, 5, 7)])


@pytest.mark.parametrize("round_", range(3))
def test_of_bans_at_once_the_longest_stands(at_once, now, round_):
    outcomes = _ban_at_once(at_once, now)
    assert len({ban.pk for ban in outcomes}) == 1
    assert Ban.objects.get().until == now + 9 * MINUTE
    assert RiskChange.objects.filter(verb=ChangeVerb.CREATED).count() == 1


def test_control_looking_first_and_writing_later_refuses_or_shortens(at_once, now, monkeypatch):
    all_have_read = threading.Barrier(RUNS)

    def look_and_write(wish):
        active = Ban.objects.filter(kind=wish.kind, value=wish.value, ended_at=None).first()
        all_have_read.wait(DEADLINE_S)
        if active is None:
            wish.save()
        return ChangeVerb.CREATED

    monkeypatch.setattr(bans, "_upsert", look_and_write)
    outcomes = _ban_at_once(at_once, now)
    assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == RUNS - 1


def test_of_those_who_lift_at_once_one_does(at_once, now):
    ban = services.ban("device", DEVICE, now + MINUTE, "x", "scorer", now=now)
    outcomes = at_once([lambda: services.lift(ban, None, now)] * RUNS)
    assert sum(isinstance(outcome, services.BanOver) for outcome in outcomes) == RUNS - 1
