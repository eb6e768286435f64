"""Units moved by several at the same moment, never twice. In the controls a guard is off."""

import threading

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Sum

from control_plane.inventory import changes, rearms, services, units
from control_plane.inventory.models import Allocation, Pool, Reclaim, StockChange
from control_plane.inventory.pools import lock_pool

pytestmark = pytest.mark.django_db(transaction=True)

AGENTS = 4
QTY = 3  # 4 × 3 > the 10 units of the pool, so that exactly three grants fit
DEADLINE_S = 30


def _read_together(count):
    """As `lock_pool` without the lock: everybody has read before anybody goes on."""
    all_have_read = threading.Barrier(count)

    def read(item_id):
        pool = Pool.objects.get(pk=item_id)
        all_have_read.wait(DEADLINE_S)
        return pool

    return read


def _errors(outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def _grant_at_once(at_once, item, open_epoch):
    allocations = [open_epoch(shard) for shard in range(AGENTS)]
    outcomes = at_once(
        [lambda pk=allocation.pk: services.begin_grant(pk, QTY) for allocation in allocations]
    )
    granted = Allocation.objects.filter(item=item).aggregate(units=Sum("granted"))["units"]
    return _errors(outcomes), granted, services.conservation(item.pk).drift


def test_agents_who_grant_at_once_never_grant_a_unit_twice(at_once, item, open_epoch):
    (refused,), granted, drift = _grant_at_once(at_once, item, open_epoch)
    assert isinstance(refused, services.NotEnoughUnits)
    assert (granted, drift) == (9, 0)


def test_control_without_the_pools_lock_only_the_constraint_refuses(
    at_once, item, open_epoch, monkeypatch
):
    monkeypatch.setattr(units, "lock_pool", _read_together(AGENTS))
    (refused,), _, _ = _grant_at_once(at_once, item, open_epoch)
    assert isinstance(refused, IntegrityError)


def _close_at_once(at_once, open_epoch, drain):
    rearm = drain(open_epoch(units=5))
    return at_once([lambda: services.close_epoch(rearm.pk)] * AGENTS)


def test_agents_who_close_at_once_return_the_leftover_once(at_once, item, open_epoch, drain):
    assert sorted(_close_at_once(at_once, open_epoch, drain)) == [0, 0, 0, 5]
    assert services.conservation(item.pk).drift == 0


def test_control_reading_first_and_closing_later_returns_it_more_than_once(
    at_once, item, open_epoch, drain, monkeypatch
):
    all_have_read = threading.Barrier(AGENTS)

    def check_then_leave(allocation_id):
        is_draining = Allocation.objects.get(pk=allocation_id).state == "draining"
        all_have_read.wait(DEADLINE_S)
        Allocation.objects.filter(pk=allocation_id).update(state="closed")
        return is_draining

    Pool.objects.update(total=1000)  # else the constraint would stop it
    monkeypatch.setattr(rearms, "lock_pool", lambda item_id: None)
    monkeypatch.setattr(rearms, "_leave_draining", check_then_leave)
    assert _close_at_once(at_once, open_epoch, drain) == [5] * AGENTS
    assert Pool.objects.get(item=item).unallocated == 5 + 5 * AGENTS


def _settle_at_once(at_once, allocation):
    reclaim = services.begin_reclaim(allocation.pk, 2, 0)
    outcomes = at_once([lambda: services.settle_reclaim(reclaim.pk, 2)] * AGENTS)
    assert outcomes == [2] * AGENTS
    return Pool.objects.get().unallocated


def test_agents_who_settle_at_once_move_the_units_once(at_once, item, open_epoch):
    assert _settle_at_once(at_once, open_epoch(units=10)) == 2
    assert services.conservation(item.pk).drift == 0


def test_control_without_the_look_under_the_lock_they_move_them_again(
    at_once, item, open_epoch, monkeypatch
):
    monkeypatch.setattr(units, "_settled_with", lambda reclaim_id: None)
    assert _settle_at_once(at_once, open_epoch(units=10)) == 2 * AGENTS


def test_a_reclaim_that_is_settled_while_its_epoch_closes_moves_its_units_once(
    at_once, item, open_epoch, drain
):
    for shard in range(8):
        allocation = open_epoch(shard, units=1)
        reclaim = services.begin_reclaim(allocation.pk, 1, 0)
        rearm = drain(allocation)
        at_once(
            [
                lambda pk=reclaim.pk: services.settle_reclaim(pk, 1),
                lambda pk=rearm.pk: services.close_epoch(pk),
            ]
        )
        assert Pool.objects.get().unallocated == 10
    assert not Reclaim.objects.filter(taken=None).exists()


def _withdraw_and_grant(at_once, allocation):
    outcomes = at_once(
        [
            lambda: services.withdraw(allocation.item_id, 6, "test", None),
            lambda: services.begin_grant(allocation.pk, 6),
        ]
    )
    pool = Pool.objects.get()
    return outcomes, (pool.total, pool.unallocated)


def test_a_withdrawal_and_a_grant_never_take_the_same_unit(at_once, item, open_epoch):
    """Whoever comes first; the withdrawal gets what the pool has left and waits for the rest."""
    (change, granted), pool = _withdraw_and_grant(at_once, open_epoch())
    change.refresh_from_db()
    if isinstance(granted, services.NotEnoughUnits):
        assert (change.done, pool) == (6, (4, 4))
    else:
        assert (change.done, pool) == (4, (6, 0))
    assert services.conservation(item.pk).drift == 0


def test_control_without_the_pools_lock_they_do(at_once, item, open_epoch, monkeypatch):
    read = _read_together(2)
    monkeypatch.setattr(units, "lock_pool", read)
    monkeypatch.setattr(changes, "lock_pool", read)
    outcomes, _ = _withdraw_and_grant(at_once, open_epoch())
    (refused,) = _errors(outcomes)
    assert isinstance(refused, IntegrityError)  # the constraint is all that is left


def _withdraw_at_once(at_once, item):
    return at_once([lambda: services.withdraw(item.pk, 7, "test", None)] * 2)


def test_marketers_who_withdraw_at_once_promise_no_unit_twice(at_once, item, open_epoch):
    open_epoch(units=10)
    outcomes = _withdraw_at_once(at_once, item)
    assert [type(error) for error in _errors(outcomes)] == [services.NotEnoughUnits]
    assert StockChange.objects.count() == 1


def test_control_without_the_pools_lock_they_promise_more_than_there_is(
    at_once, item, open_epoch, monkeypatch
):
    open_epoch(units=10)
    monkeypatch.setattr(changes, "lock_pool", _read_together(2))
    together = threading.Barrier(2)
    waiting_units = changes.waiting_units

    def all_look_first(item_id):
        waiting = waiting_units(item_id)
        together.wait(DEADLINE_S)
        return waiting

    monkeypatch.setattr(changes, "waiting_units", all_look_first)
    _withdraw_at_once(at_once, item)
    assert waiting_units(item.pk) == 14


def test_the_pools_lock_is_a_lock(at_once, item):
    """What every test above relies on."""
    holding, may_end = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            lock_pool(item.pk)
            holding.set()
            may_end.wait(DEADLINE_S)

    def try_too():
        holding.wait(DEADLINE_S)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '100ms'")
                lock_pool(item.pk)
        finally:
            may_end.set()

    _, refused = at_once([hold, try_too])
    assert isinstance(refused, OperationalError)
