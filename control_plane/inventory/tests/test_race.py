"""Grants and epochs at the same moment. In the controls the guard is off and it goes wrong."""

import threading

import pytest
from django.db import IntegrityError
from django.db.models import Sum

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool

pytestmark = pytest.mark.django_db(transaction=True)

AGENTS = 4
QTY = 3  # 4 × 3 > the 10 units of the pool, so that exactly three grants fit
DEADLINE_S = 30


def _grant_at_once(at_once, item):
    allocations = [services.open_allocation(item.pk, shard) for shard in range(AGENTS)]
    outcomes = at_once(
        [lambda pk=allocation.pk: services.begin_grant(pk, QTY) for allocation in allocations]
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, services.NotEnoughUnits)]
    granted = Allocation.objects.filter(item=item).aggregate(units=Sum("granted"))["units"]
    return len(refused), granted, services.conservation(item.pk).drift


def test_agents_who_grant_at_once_never_grant_a_unit_twice(at_once, item):
    assert _grant_at_once(at_once, item) == (1, 9, 0)


def test_control_reading_first_and_writing_later_grants_units_twice(at_once, item, monkeypatch):
    all_have_read = threading.Barrier(AGENTS)

    def check_then_take(item_id, qty):
        unallocated = Pool.objects.get(pk=item_id).unallocated
        all_have_read.wait(DEADLINE_S)
        if unallocated < qty:
            return False
        return bool(Pool.objects.filter(pk=item_id).update(unallocated=unallocated - qty))

    monkeypatch.setattr(services, "_take_from_pool", check_then_take)
    refused, granted, drift = _grant_at_once(at_once, item)
    assert (refused, granted) == (0, 12)
    assert drift == 10 - (7 + 12)


def test_agents_who_open_a_shard_at_once_share_its_allocation(at_once, item):
    opened = at_once([lambda: services.open_allocation(item.pk, 0)] * AGENTS)
    assert {allocation.pk for allocation in opened} == {Allocation.objects.get().pk}


def test_control_without_the_pools_lock_an_agent_fails(at_once, item, monkeypatch):
    all_have_looked = threading.Barrier(AGENTS)
    create = Allocation.objects.create

    def create_when_all_have_looked(**fields):
        all_have_looked.wait(DEADLINE_S)
        return create(**fields)

    monkeypatch.setattr(Pool.objects, "select_for_update", Pool.objects.all)
    monkeypatch.setattr(Allocation.objects, "create", create_when_all_have_looked)
    opened = at_once([lambda: services.open_allocation(item.pk, 0)] * AGENTS)
    assert sum(isinstance(outcome, IntegrityError) for outcome in opened) == AGENTS - 1
