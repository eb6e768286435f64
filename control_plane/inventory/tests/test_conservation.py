"""I1: total = unallocated + open leftover + live orders."""

import pytest
from django.db.models import F

from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool
from control_plane.orders.models import Order, OrderState

pytestmark = pytest.mark.django_db


@pytest.fixture
def allocation(open_epoch):
    return open_epoch(units=6)


def _land(item, now, state=OrderState.UNPAID, qty=1):
    """An order as landing writes it, taking its units from the allocation."""
    Allocation.objects.filter(item=item, state="selling").update(consumed=F("consumed") + qty)
    return Order.objects.create(
        reservation_id=f"r{Order.objects.count()}",
        item=item,
        shard=0,
        epoch=1,
        shopper="u-1",
        qty=qty,
        amount_minor=1999 * qty,
        currency="CNY",
        state=state,
        reserved_at=now,
        created_at=now,
        pay_by=now,
    )


def test_every_term_is_counted_once(item, allocation, now):
    _land(item, now)
    _land(item, now, OrderState.PAID, qty=2)
    assert services.conservation(item.pk) == services.Conservation(
        item_id=item.pk, total=10, unallocated=4, open_leftover=3, live_orders=3
    )
    assert services.conservation(item.pk).drift == 0


@pytest.mark.parametrize("state", [OrderState.EXPIRED, OrderState.CANCELLED])
def test_a_dead_order_whose_units_were_not_returned_is_missing(item, allocation, now, state):
    _land(item, now, state, qty=2)
    assert services.conservation(item.pk).drift == 2


def test_the_leftover_of_a_closed_epoch_has_to_be_in_the_pool(item, allocation):
    Allocation.objects.filter(pk=allocation.pk).update(state="draining")
    assert services.conservation(item.pk).drift == 0
    Allocation.objects.filter(pk=allocation.pk).update(state="closed")
    assert services.conservation(item.pk).drift == 6
    Pool.objects.filter(item=item).update(unallocated=F("unallocated") + 6)
    assert services.conservation(item.pk).drift == 0


def test_an_order_without_units_shows_as_drift(item, allocation, now):
    _land(item, now)
    Allocation.objects.filter(pk=allocation.pk).update(consumed=0)
    assert services.conservation(item.pk).drift == -1


def test_an_item_without_a_pool_has_no_balance(db):
    with pytest.raises(services.NoPool):
        services.conservation(0)


def test_it_is_read_in_one_statement(item, allocation, django_assert_num_queries):
    with django_assert_num_queries(1):
        services.conservation(item.pk)
