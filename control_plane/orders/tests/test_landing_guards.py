"""Each rule of landing once taken out of its SQL: what the other tests rely on goes wrong."""

import pytest
from django.db import IntegrityError

from control_plane.inventory import services as inventory
from control_plane.inventory.models import Pool
from control_plane.orders import landing
from control_plane.orders.services import land

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def units_are_conserved():
    """Off: in these tests they are not."""


@pytest.fixture
def without(monkeypatch):
    """`without("_ROUND", "…", instead)`: the statement without one of its lines."""

    def take_out(statement, guard, instead=""):
        text = getattr(landing, statement)
        assert text.count(guard) == 1, guard
        monkeypatch.setattr(landing, statement, text.replace(guard, instead))

    return take_out


def _drift(item):
    return inventory.conservation(item.pk).drift


def test_control_without_the_cap_the_constraint_stops_the_whole_batch(
    allocation, intent, now, without
):
    without("_ROUND", "WHEN landing.qty > lease.room", "WHEN false")
    without("_ROUND", "ELSE landing.allocation_asks END <= lease.room", "ELSE 0 END <= lease.room")
    with pytest.raises(IntegrityError, match="allocation_consumed_within_granted"):
        land([intent(f"shopper-{n}") for n in range(11)], now)


def test_control_without_the_limit_a_shopper_gets_more(allocation, intent, now, without):
    without("_ROUND", "held.units + landing.qty > lease.limit_per_shopper", "false")
    without("_ROUND", "held.units + landing.shopper_asks <= lease.limit_per_shopper", "true")
    landed = land([intent("ann", key=str(n)) for n in range(3)], now)
    assert [one.reason for one in landed] == [""] * 3


def test_control_without_the_look_for_known_ones_the_constraint_stops_a_repeat(
    allocation, intent, now, without
):
    without(
        "_ROUND",
        """NOT EXISTS (SELECT FROM orders_order known
                        WHERE known.reservation_id = landing.reservation_id)""",
        "true",
    )
    land([intent("ann")], now)
    landed = land([intent("ann")], now)
    # The limit refuses it here, and so the shopper hears no to what was his.
    assert [one.reason for one in landed] == ["over_limit"]


def test_control_without_the_pool_a_late_order_is_made_of_nothing(
    item, allocation, intent, now, close, without
):
    without("_ROUND", "WHERE lease.closed\n             GROUP BY item_id", "WHERE false GROUP BY 1")
    close(allocation)
    land([intent("ann")], now)
    assert _drift(item) == -1


def test_control_without_the_running_sum_late_ones_overdraw_the_pool(
    item, allocation, intent, now, close, open_epoch, without
):
    close(allocation)
    open_epoch(units=9)
    without("_ROUND", "THEN (SELECT pool_asks FROM late", "THEN (SELECT 1 FROM late")
    with pytest.raises(IntegrityError):
        land([intent("ann"), intent("bob")], now)


def test_control_without_the_row_of_a_hold_its_units_go_back_again_and_again(
    item, allocation, intent, now, open_epoch, without
):
    without(
        "_GIVE_BACK",
        "ON CONFLICT DO NOTHING",
        "ON CONFLICT (reservation_id, allocation_id) "
        "DO UPDATE SET reservation_id = excluded.reservation_id",
    )
    inventory.settle_reclaim(inventory.begin_reclaim(allocation.pk, 4, 0).pk, 4)
    rearm = inventory.begin_rearm(allocation.pk, "fast", "test")
    inventory.advance(rearm.pk, "fenced", "disarmed")
    open_epoch(units=4)
    land([intent("ann")], now)
    for _ in range(3):
        land([intent("ann", epoch=2)], now)
    # In the books nothing is missing: they are just not what the shard has.
    assert Pool.objects.get().unallocated == 3


def test_control_a_closed_epoch_gives_back_what_is_in_the_pool_already(
    item, allocation, intent, now, close, without
):
    land([intent("ann", key="1")], now)
    close(allocation)
    without("_GIVE_BACK", "AND state <> 'closed' ")
    land([intent("ann", key="2")], now)
    assert _drift(item) == -1


def test_control_without_the_look_at_the_leftover_a_spoilt_shard_gives_back_what_was_sold(
    item, allocation, intent, now, limit, without
):
    limit(10)
    land([intent("ann", qty=8)], now)
    limit(8)
    without("_GIVE_BACK", "AND granted - consumed >= %(qty)s")
    with pytest.raises(IntegrityError, match="allocation_consumed_within_granted"):
        land([intent("ann", key="2", qty=3)], now)
