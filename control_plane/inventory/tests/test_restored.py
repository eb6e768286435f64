"""A database from a backup: what its future sold is late, and takes nobody's unit."""

from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool, Rearm
from control_plane.orders import projection
from control_plane.orders.models import OrderEvent
from control_plane.orders.services import land, pass_over_order_numbers, pay_order
from control_plane.orders.tests.conftest import allocation, intent

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["allocation", "intent"]


@pytest.fixture(autouse=True)
def no_projection(monkeypatch):
    monkeypatch.setattr(projection, "_work_redis", lambda: None)
    monkeypatch.setattr(projection, "write", lambda work_redis, some: None)


def test_what_sold_is_ended_and_the_numbers_behind_it_are_closed(allocation, item):
    (passed,) = inventory.pass_over_lost_epochs("restored from 03:00", numbers=3)
    assert (passed.shard, passed.returned, passed.next_epoch) == (0, 10, 5)
    assert list(Allocation.objects.order_by("epoch").values_list("epoch", "state")) == [
        (1, "closed"),
        (2, "closed"),
        (3, "closed"),
        (4, "closed"),
    ]
    assert Rearm.objects.get().stage == "closed"
    assert inventory.conservation(item.pk).drift == 0


def test_a_reservation_of_a_forgotten_epoch_takes_a_unit_of_the_pool(allocation, intent, now, item):
    inventory.pass_over_lost_epochs("restored", numbers=3)
    (landed,) = land([intent("ann", epoch=3)], now)
    assert landed.order_id
    assert Pool.objects.get().unallocated == 9
    assert inventory.conservation(item.pk).drift == 0


def test_a_reservation_above_what_the_backup_had_granted_is_not_refused(
    open_epoch, intent, now, item
):
    open_epoch(units=1)
    inventory.pass_over_lost_epochs("restored", numbers=3)
    landed = land([intent("ann"), intent("bob")], now)
    assert all(one.order_id for one in landed)
    assert Pool.objects.get().unallocated == 8


def test_an_epoch_that_was_ending_is_ended(allocation, item, now):
    inventory.begin_rearm(allocation.pk, "full", "failover")
    inventory.pass_over_lost_epochs("restored", numbers=3)
    assert Allocation.objects.get(epoch=1).state == "closed"
    assert Pool.objects.get().unallocated == 10


def test_without_it_the_same_reservation_is_refused(allocation, intent, now):
    (landed,) = land([intent("ann", epoch=3)], now)
    assert landed.reason == "no_allocation"


def test_the_next_epoch_has_a_number_that_was_never_given_out(allocation, item):
    (passed,) = inventory.pass_over_lost_epochs("restored", numbers=3)
    number = passed.next_epoch
    opened = inventory.open_epoch(item.pk, 0, after=number - 1, epoch=number, source="primary")
    assert opened is not None


def test_more_than_the_pool_has_are_refused_and_named(allocation, intent, now):
    inventory.pass_over_lost_epochs("restored", numbers=3)
    Pool.objects.update(unallocated=1, total=1)
    landed = land([intent("ann", epoch=3), intent("bob", epoch=2)], now)
    assert [one.reason for one in landed if not one.order_id] == ["closed_epoch"]


def test_the_command_says_each_shard(allocation, item, now, capsys):
    call_command("after_restore", reason="restored from 03:00", since=now)
    said = capsys.readouterr().out
    assert f"item {item.pk} shard 0: 10 units to the pool, next 102" in said
    assert "1 shards; next order" in said


def test_the_command_wants_a_zone(db):
    with pytest.raises(CommandError, match="zone"):
        call_command("after_restore", reason="restored", since=datetime(2026, 11, 26))  # noqa: DTZ001


def test_no_order_gets_a_number_that_was_given_out_before(allocation, intent, now):
    (before,) = land([intent("ann")], now)
    following, _ = pass_over_order_numbers(now, numbers=1000)
    (after,) = land([intent("bob")], now)
    assert following == after.order_id
    assert (after.order_id or 0) > (before.order_id or 0) + 1000


def test_what_happened_since_the_backup_is_told_again(allocation, intent, now):
    (landed,) = land([intent("ann")], now)
    pay_order(landed.order_id or 0, now)
    OrderEvent.objects.update(sent_at=now)
    assert pass_over_order_numbers(now + timedelta(seconds=1))[1] == 0
    assert pass_over_order_numbers(now)[1] == 1
    assert OrderEvent.objects.get().sent_at is None
