"""Epochs begun and ended by several at the same moment. In the controls a guard is off."""

import threading

import pytest
from django.db import IntegrityError

from control_plane.campaigns import services as campaigns
from control_plane.inventory import epochs, pools, services, sources, units
from control_plane.inventory.models import Allocation, Pool, Rearm

pytestmark = pytest.mark.django_db(transaction=True)

AGENTS = 4
DEADLINE_S = 30


def _errors(outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def _open_at_once(at_once, item):
    return at_once(
        [
            lambda: services.open_epoch(item.pk, 0, after=0, epoch=1, source="primary"),
            lambda: services.open_epoch(item.pk, 0, after=0, epoch=2, source="primary"),
        ]
    )


def test_of_agents_who_open_a_shard_at_once_one_does(at_once, item):
    opened = _open_at_once(at_once, item)
    assert opened.count(None) == 1
    assert Allocation.objects.count() == 1


def test_control_without_the_pools_lock_only_the_constraint_refuses_an_epoch(
    at_once, item, monkeypatch
):
    together = threading.Barrier(2)
    waits = epochs._waits_for_an_old_epoch

    def wait_too(*arguments):
        answer = waits(*arguments)
        together.wait(DEADLINE_S)
        return answer

    monkeypatch.setattr(epochs, "lock_pool", lambda item_id: None)
    monkeypatch.setattr(epochs, "_waits_for_an_old_epoch", wait_too)
    (refused,) = _errors(_open_at_once(at_once, item))
    assert isinstance(refused, IntegrityError)


def _race_an_open(at_once, monkeypatch, item, other, *, with_lock):
    """An agent that has looked at everything when `other` begins, and then opens its epoch."""
    has_looked, other_is_done = threading.Event(), threading.Event()
    waits = epochs._waits_for_an_old_epoch

    def wait_after_looking(*arguments):
        answer = waits(*arguments)
        has_looked.set()
        # Under the lock the other one cannot end before we do: it is left to wait.
        other_is_done.wait(0.5 if with_lock else DEADLINE_S)
        return answer

    def act():
        has_looked.wait(DEADLINE_S)
        try:
            return other()
        finally:
            other_is_done.set()

    monkeypatch.setattr(epochs, "_waits_for_an_old_epoch", wait_after_looking)
    outcomes = at_once(
        [lambda: services.open_epoch(item.pk, 0, after=0, epoch=1, source="primary"), act]
    )
    assert not _errors(outcomes)
    return Allocation.objects.get().state


def test_an_epoch_that_is_opened_while_the_source_changes_is_fenced_with_the_rest(
    at_once, item, monkeypatch
):
    def switch():
        services.switch_source("standby", reason="test", by=None)

    assert _race_an_open(at_once, monkeypatch, item, switch, with_lock=True) == "draining"


def test_control_without_the_sources_lock_it_goes_on_selling_from_the_old_source(
    at_once, item, monkeypatch
):
    def switch():
        services.switch_source("standby", reason="test", by=None)

    monkeypatch.setattr(sources, "hold_still", lambda: None)
    assert _race_an_open(at_once, monkeypatch, item, switch, with_lock=False) == "selling"


def test_an_epoch_that_is_opened_while_its_campaign_ends_is_fenced(
    at_once, item, approved, now, monkeypatch
):
    def end():
        campaigns.end_now(approved, None, now)

    assert _race_an_open(at_once, monkeypatch, item, end, with_lock=True) == "draining"


def test_control_without_the_pools_lock_it_outlives_its_campaign(
    at_once, item, approved, now, monkeypatch
):
    def end():
        campaigns.end_now(approved, None, now)

    monkeypatch.setattr(epochs, "lock_pool", lambda item_id: None)
    assert _race_an_open(at_once, monkeypatch, item, end, with_lock=False) == "selling"


def test_of_agents_who_see_two_masters_one_claims_the_epoch(at_once, open_epoch):
    allocation = open_epoch()
    outcomes = at_once(
        [lambda life=digit * 40: services.claim_life(allocation.pk, life) for digit in "abcd"]
    )
    assert [type(error) for error in _errors(outcomes)] == [services.LifeTaken] * 3


def test_of_those_who_fence_at_once_one_does(at_once, open_epoch):
    allocation = open_epoch()
    outcomes = at_once([lambda: services.begin_rearm(allocation.pk, "fast", "test")] * AGENTS)
    refused = _errors(outcomes)
    assert [type(error) for error in refused] == [services.AllocationNotSelling] * (AGENTS - 1)
    assert Rearm.objects.count() == 1


def _grant_to_a_fenced_epoch(at_once, monkeypatch, allocation):
    """A slow agent that has looked at the epoch grants after somebody has fenced it."""
    may_grant = threading.Event()
    lock = pools.lock_pool

    def lock_later(item_id):
        may_grant.wait(DEADLINE_S)
        return lock(item_id)

    def fence():
        services.begin_rearm(allocation.pk, "fast", "test")
        may_grant.set()

    monkeypatch.setattr(units, "lock_pool", lock_later)
    granted, _ = at_once([lambda: services.begin_grant(allocation.pk, 4), fence])
    return granted


def test_a_slow_agent_does_not_grant_to_a_fenced_epoch(at_once, item, open_epoch, monkeypatch):
    refused = _grant_to_a_fenced_epoch(at_once, monkeypatch, open_epoch())
    assert isinstance(refused, services.AllocationNotSelling)
    assert Pool.objects.get().unallocated == 10


def test_of_operators_who_change_the_source_at_once_one_does(at_once, item):
    outcomes = at_once([lambda: services.switch_source("standby", reason="test", by=None)] * AGENTS)
    refused = _errors(outcomes)
    assert [type(error) for error in refused] == [services.AlreadyThere] * (AGENTS - 1)
    assert services.current_source() == ("standby", 1)


def test_a_change_of_source_beside_grants_and_landing_locks_does_not_deadlock(
    at_once, item, open_epoch
):
    for number in range(10):
        allocation = open_epoch(number)
        target = "standby" if number % 2 == 0 else "primary"
        outcomes = at_once(
            [
                lambda pk=allocation.pk: services.begin_grant(pk, 1),
                lambda to=target: services.switch_source(to, reason="test", by=None),
                lambda pk=allocation.pk: services.begin_rearm(pk, "fast", "test"),
            ]
        )
        for error in _errors(outcomes):
            assert isinstance(error, services.InventoryError), error
